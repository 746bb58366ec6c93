// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {IPaymentEscrow, Line, Shares, StretchPlaces, StretchStatus} from "../../contracts/interfaces/IPaymentEscrow.sol";
import {Certificate, InboxTimes} from "../../contracts/interfaces/ISettlementInbox.sol";
import {ChannelConfig, Voucher, VoucherClaim} from "../../contracts/interfaces/IX402BatchSettlement.sol";
import {PositionalTree} from "../../contracts/libraries/PositionalTree.sol";
import {TestDollar} from "../../contracts/mocks/TestDollar.sol";
import {IDepositCollector, X402Channels} from "../../contracts/mocks/x402/X402Channels.sol";
import {EscrowSetup} from "../../contracts/payments/EscrowStore.sol";
import {PaymentEscrow} from "../../contracts/payments/PaymentEscrow.sol";
import {SettlementInbox} from "../../contracts/payments/SettlementInbox.sol";
import {BatchHeader, BatchLib, ChannelStretch} from "../../contracts/types/Batch.sol";
import {CommitteeMember, QuorumSignature} from "../../contracts/types/Committee.sol";
import {Ack, Finality, StatementLib} from "../../contracts/types/Statements.sol";
import {Terms, TermsLib} from "../../contracts/types/Terms.sol";
import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";
import {Test} from "../utils/Test.sol";

/// @title A payer, a node, a committee and everybody else, at random
/// @notice Keeps a ledger of its own (what each unit of each line became) and compares it after every action.
contract EscrowHandler is Test, IDepositCollector {
    uint256 private constant PAYER_KEY = 0xA11CE;
    uint256 private constant COMMITTEE_KEY = 0xC0;
    uint32 public constant REFUND = 7 days;
    uint32 private constant STOP_MAX = 30 days;
    uint256 public constant CHANNELS = 3;

    IPaymentEscrow public escrow;
    SettlementInbox public inbox;
    X402Channels public channels;
    TestDollar public token;
    address public immutable payer;
    address public constant NODE = address(0x40DE);
    address public constant PUBLISHER = address(0x40DF);
    address public constant TREASURY = address(0x40E0);
    bytes32 private constant NODE_ID = keccak256("node");

    ChannelConfig[3] private _configs;
    bytes32[3] public ids;
    bytes32[3] public hashes; // of terms
    CommitteeMember[] private _members;
    uint64 private _nonce;
    uint64 private _beats;

    // The ghost ledger, per channel.
    mapping(uint256 index => uint256) public highestVoucher;
    mapping(uint256 index => uint256) public released;
    mapping(uint256 index => uint256) public refunded;
    mapping(uint256 index => uint256) public lastSettled;
    uint256 public grossReleased;
    uint256 public releasedByCertificate;
    /// The rule that an action broke; empty when none did.
    string public broken;
    /// How often each action did something; an action that never does makes its invariants empty.
    mapping(bytes4 action => uint256) public effects;

    constructor() {
        payer = vm.addr(PAYER_KEY);
        channels = new X402Channels();
        token = new TestDollar();
        inbox = new SettlementInbox(1, address(0x5e77), address(this), InboxTimes(1 days, STOP_MAX, 2 days, 3650 days));
        EscrowSetup memory setup = EscrowSetup(
            address(new AccessManager(address(this))), address(channels), address(inbox), TREASURY, 200, REFUND, 1 days
        );
        escrow = IPaymentEscrow(address(new PaymentEscrow(setup)));
        escrow.setStakePrice(address(token), 1 << 64);
        _members.push(CommitteeMember(vm.addr(COMMITTEE_KEY), 3_000_000));
        inbox.bootstrap(1, _members);
        for (uint256 i = 0; i < CHANNELS; ++i) {
            // Two held channels and a private one.
            Terms memory terms =
                Terms(NODE_ID, NODE, i == 2 ? 1 : 2, 1, bytes32(i), 0, PUBLISHER, 1_000, 500, address(inbox));
            hashes[i] = TermsLib.hash(terms);
            bytes32 salt = TermsLib.salt(hashes[i], bytes32(i));
            _configs[i] = ChannelConfig(payer, payer, address(escrow), NODE, address(token), 1 days, salt);
            ids[i] = escrow.register(_configs[i], terms, bytes32(i));
        }
    }

    function collect(address, address asset, uint256 amount, bytes32, bytes calldata) external {
        TestDollar(asset).mint(msg.sender, amount);
    }

    // ---- what payers and nodes do

    function deposit(uint256 index, uint128 amount) external {
        index = bound(index, 0, CHANNELS - 1);
        amount = uint128(bound(amount, 1, 1_000_000));
        channels.deposit(_configs[index], amount, address(this), "");
        effects[msg.sig]++;
    }

    function claim(uint256 index, uint128 ceiling, uint128 amount, bool past) external {
        index = bound(index, 0, CHANNELS - 1);
        (uint128 balance, uint128 claimed) = channels.channels(ids[index]);
        if (balance == claimed) return;
        ceiling = uint128(bound(ceiling, claimed + 1, balance));
        amount = uint128(bound(amount, claimed + 1, ceiling));
        if (ceiling > highestVoucher[index]) highestVoucher[index] = ceiling;
        VoucherClaim[] memory rows = new VoucherClaim[](1);
        bytes memory signature = _sign(PAYER_KEY, channels.getVoucherDigest(ids[index], ceiling));
        rows[0] = VoucherClaim(Voucher(_configs[index], ceiling), signature, amount);
        uint256 nodeBefore = _earned();
        vm.prank(NODE);
        if (past) channels.claim(rows);
        else escrow.claim(rows, "");
        // E4: only private terms release at claim.
        if (index != 2 || past) _check(_earned() == nodeBefore, "E4 claim paid the node");
        _follow(index, true);
        effects[msg.sig]++;
    }

    function sync(uint256 index) external {
        index = bound(index, 0, CHANNELS - 1);
        uint256 nodeBefore = _earned();
        escrow.sync(_one(ids[index]));
        if (index != 2) _check(_earned() == nodeBefore, "E4 sync paid the node");
        _follow(index, true);
        effects[msg.sig]++;
    }

    function ack(uint256 index, uint128 cumulative) external {
        index = bound(index, 0, CHANNELS - 1);
        (, uint128 claimed) = channels.channels(ids[index]);
        cumulative = uint128(bound(cumulative, 0, uint256(claimed) + 10));
        bytes memory signature = _sign(PAYER_KEY, StatementLib.digest(Ack(ids[index], cumulative), escrow.domainSeparator()));
        escrow.ack(ids[index], cumulative, signature);
        _check(escrow.lineOf(ids[index]).settledUpTo <= _max(cumulative, lastSettled[index]), "an Ack released above itself");
        _follow(index, true);
        effects[msg.sig]++;
    }

    // ---- what the committee does

    function decide(uint256 index, uint128 from, uint128 length, bool final_, bool foreign) external {
        index = bound(index, 0, CHANNELS - 1);
        uint256 settled = escrow.lineOf(ids[index]).settledUpTo;
        from = uint128(bound(from, settled > 50 ? settled - 50 : 0, settled + 20));
        length = uint128(bound(length, 1, 300_000));
        ChannelStretch[] memory stretches = new ChannelStretch[](1);
        stretches[0] = ChannelStretch(block.chainid, address(escrow), ids[index], from, from + length, 0, 1, length);
        BatchHeader memory header = _header(stretches[0], foreign ? keccak256("other node") : NODE_ID);
        _record(header, final_ ? 3 : 4);
        StretchPlaces memory none = StretchPlaces(new uint32[](0), new bytes32[](0));
        StretchStatus status =
            (final_ ? escrow.release(header, stretches, none) : escrow.refundRejected(header, stretches, none))[0];
        if (foreign) _check(status != StretchStatus.Settled, "another node's header moved money");
        if (from > settled) _check(status != StretchStatus.Settled, "a stretch above the watermark moved money");
        if (final_ && status == StretchStatus.Settled) {
            releasedByCertificate += escrow.lineOf(ids[index]).settledUpTo - settled;
        }
        _follow(index, final_);
        effects[msg.sig]++;
    }

    function beat() external {
        Finality memory finality = Finality(block.chainid, address(inbox), 1, 0, 0, 0, 0, ++_beats, uint64(block.timestamp + 1 hours));
        _carry(finality);
        effects[msg.sig]++;
    }

    // ---- what time and everybody else do

    function wait(uint32 seconds_) external {
        vm.warp(block.timestamp + bound(seconds_, 1, 3 days));
        effects[msg.sig]++;
    }

    function refundExpired(uint256 index) external {
        index = bound(index, 0, CHANNELS - 1);
        Line memory line = escrow.lineOf(ids[index]);
        uint256 alive = inbox.aliveTime() - line.markedAlive;
        bool due = alive >= REFUND || block.timestamp - line.markedAt >= uint256(REFUND) + STOP_MAX;
        try escrow.refundExpired(ids[index]) {
            _check(due && line.held != 0, "E8 refund before its time");
            _check(escrow.lineOf(ids[index]).settledUpTo == uint256(line.settledUpTo) + line.held, "E8 refund past the mark");
            effects[msg.sig]++;
        } catch {
            _check(!due || line.held == 0, "E14 a due refund was refused");
        }
        _follow(index, false);
    }

    function withdraw(uint256 who) external {
        address[4] memory all = [payer, NODE, PUBLISHER, TREASURY];
        address beneficiary = all[bound(who, 0, 3)];
        uint256 due = escrow.credit(beneficiary, address(token));
        if (due == 0) return;
        uint256 before = token.balanceOf(beneficiary);
        escrow.withdraw(beneficiary, address(token));
        _check(token.balanceOf(beneficiary) - before == due, "E12 withdrawal is not the credit");
        effects[msg.sig]++;
    }

    /// Fees and royalties become credits; nobody gains.
    function collectShares(uint256 index) external {
        index = bound(index, 0, CHANNELS - 1);
        uint256 before = _earned();
        escrow.collect(_one(hashes[index]), address(token));
        _check(setAside(index) == 0 && _earned() == before, "E9 collect changed the sum");
        effects[msg.sig]++;
    }

    function disturb(uint128 amount, bool pause, uint16 fee) external {
        token.mint(address(escrow), bound(amount, 1, 1_000));
        channels.settle(address(escrow), address(token));
        escrow.pauseIntake(pause);
        escrow.setFee(uint16(bound(fee, 0, 500)));
        effects[msg.sig]++;
    }

    // ---- the ghost ledger

    /// Fees and royalties under the terms of a channel that nobody has collected.
    function setAside(uint256 index) public view returns (uint256) {
        Shares memory shares = escrow.sharesOf(hashes[index], address(token));
        return uint256(shares.fee) + shares.royalty;
    }

    /// Credits and withdrawals of everybody on the node's side.
    function earned() external view returns (uint256) {
        return _earned();
    }

    function _follow(uint256 index, bool toNode) private {
        uint256 settled = escrow.lineOf(ids[index]).settledUpTo;
        _check(settled >= lastSettled[index], "E3 the watermark fell");
        uint256 moved = settled - lastSettled[index];
        if (toNode) {
            released[index] += moved;
            grossReleased += moved;
        } else {
            refunded[index] += moved;
        }
        lastSettled[index] = settled;
        for (uint256 i = 0; i < CHANNELS; ++i) {
            _check(escrow.lineOf(ids[i]).settledUpTo == lastSettled[i], "E10 another channel moved");
        }
    }

    function _earned() private view returns (uint256 sum) {
        address[3] memory side = [NODE, PUBLISHER, TREASURY];
        for (uint256 i = 0; i < 3; ++i) {
            sum += escrow.credit(side[i], address(token)) + token.balanceOf(side[i]) + setAside(i);
        }
    }

    function _header(ChannelStretch memory stretch, bytes32 nodeId) private returns (BatchHeader memory header) {
        bytes32[] memory leaves = _one(BatchLib.stretchLeaf(stretch));
        header.nodeId = nodeId;
        header.nonce = ++_nonce;
        header.channels = 1;
        header.channelsRoot = PositionalTree.rootOf(leaves);
    }

    function _record(BatchHeader memory header, uint8 status) private {
        bytes32 hash = BatchLib.digest(header, inbox.settlementDomain());
        _carry(
            Finality(
                block.chainid,
                address(inbox),
                1,
                hash,
                BatchLib.slotOf(header.nodeId, header.prevHeader, hash),
                header.channelsRoot,
                status,
                uint64(block.timestamp),
                uint64(block.timestamp + 1 hours)
            )
        );
    }

    function _carry(Finality memory finality) private {
        bytes memory signature = _sign(COMMITTEE_KEY, StatementLib.digest(finality, inbox.settlementDomain()));
        inbox.record(Certificate(finality, _members, QuorumSignature(1, signature)));
    }

    /// @dev A revert would be undone and forgotten; a broken rule has to stay.
    function _check(bool ok, string memory what) private {
        if (!ok) broken = what;
    }

    function _sign(uint256 key, bytes32 digest) private returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    function _one(bytes32 word) private pure returns (bytes32[] memory list) {
        list = new bytes32[](1);
        list[0] = word;
    }

    function _max(uint256 a, uint256 b) private pure returns (uint256) {
        return a > b ? a : b;
    }
}

/// @title E1 to E14 of the escrow, under random calls
/// @notice What has to hold after one action (E3, E4, E8, E10, E12) stands in the handler; here is what always holds.
contract EscrowInvariants is Test {
    EscrowHandler private _world;

    function setUp() public {
        _world = new EscrowHandler();
        targetContract(address(_world));
    }

    /// An invariant says nothing if the actions do nothing: here each of them does something.
    function test_every_action_has_an_effect() public {
        EscrowHandler world = _world;
        for (uint256 i = 0; i < 3; ++i) {
            world.deposit(i, 1_000);
            world.claim(i, 1_000, 600, i == 1);
            world.sync(i);
        }
        world.ack(0, 100);
        world.decide(0, 100, 200, true, false);
        world.decide(1, 0, 250, false, false);
        world.beat();
        for (uint256 i = 0; i < 13; ++i) {
            world.wait(3 days - 1);
        }
        world.refundExpired(0);
        world.collectShares(0);
        world.withdraw(0);
        world.withdraw(1);
        world.disturb(1, true, 1);
        assertTrue(bytes(world.broken()).length == 0, world.broken());
        assertEq(world.released(0), 280, "released by Ack and certificate");
        assertEq(world.refunded(0), 321, "refunded by silence");
        assertEq(world.refunded(1), 251, "refunded by rejection");
        assertEq(world.released(2), 601, "private terms");
        bytes4[11] memory all = [
            world.deposit.selector, world.claim.selector, world.sync.selector, world.ack.selector, world.decide.selector,
            world.beat.selector, world.wait.selector, world.refundExpired.selector, world.withdraw.selector, world.disturb.selector,
            world.collectShares.selector
        ];
        for (uint256 i = 0; i < all.length; ++i) {
            assertGe(world.effects(all[i]), 1, "an action without effect");
        }
    }

    function invariant_no_action_breaks_a_rule() public view {
        assertTrue(bytes(_world.broken()).length == 0, _world.broken());
    }

    function invariant_E1_solvent() public view {
        (uint128 claimed, uint128 settled) = _world.channels().receivers(address(_world.escrow()), address(_world.token()));
        uint256 here = _world.token().balanceOf(address(_world.escrow())) + claimed - settled;
        address[4] memory all = [_world.payer(), _world.NODE(), _world.PUBLISHER(), _world.TREASURY()];
        uint256 owed = 0;
        for (uint256 i = 0; i < 4; ++i) {
            owed += _world.escrow().credit(all[i], address(_world.token()));
        }
        for (uint256 i = 0; i < _world.CHANNELS(); ++i) {
            (, uint128 total) = _world.channels().channels(_world.ids(i));
            owed += total - _world.escrow().lineOf(_world.ids(i)).settledUpTo + _world.setAside(i);
        }
        assertGe(here, owed, "E1");
    }

    function invariant_E2_E3_every_unit_once() public view {
        for (uint256 i = 0; i < _world.CHANNELS(); ++i) {
            Line memory line = _world.escrow().lineOf(_world.ids(i));
            (, uint128 claimed) = _world.channels().channels(_world.ids(i));
            assertEq(_world.released(i) + _world.refunded(i), line.settledUpTo, "E2 released + refunded");
            assertLe(uint256(line.settledUpTo) + line.held, claimed, "E2 mark above totalClaimed");
            assertLe(claimed, _world.highestVoucher(i), "E2 claimed above the highest voucher");
        }
    }

    function invariant_E5_under_the_cap() public view {
        (uint256 cap, uint256 used) = _world.escrow().releaseCap(1, address(_world.token()));
        assertLe(used, cap, "E5");
        assertEq(used, _world.releasedByCertificate(), "E5 counts every release");
    }

    function invariant_E9_fee_royalty_net() public view {
        assertEq(_world.earned(), _world.grossReleased(), "E9");
    }
}
