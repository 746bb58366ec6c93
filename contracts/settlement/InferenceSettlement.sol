// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";

import {IInferenceSettlement} from "../interfaces/IInferenceSettlement.sol";
import {Authorities, INodeRegistry} from "../interfaces/INodeRegistry.sol";
import {ISignatureChecker} from "../interfaces/ISignatureChecker.sol";
import {IVerifierRouter} from "../interfaces/IVerifierRouter.sol";
import {CalldataDigest} from "../libraries/CalldataDigest.sol";
import {ProtocolDomain} from "../libraries/ProtocolDomain.sol";
import {BatchHeader} from "../types/Batch.sol";
import {CommitteeLib, CommitteeMember, QuorumSignature} from "../types/Committee.sol";
import {BatchStatus} from "../types/Enums.sol";
import {FaultKind} from "../types/Faults.sol";
import {Settlement, SettlementParams} from "../types/Settlement.sol";
import {LeafCheck, StatementLib} from "../types/Statements.sol";
import {ChecksWord} from "./ChecksWord.sol";
import {HeadWord} from "./HeadWord.sol";
import {IndividualSettlement} from "./IndividualSettlement.sol";
import {RunSettlement} from "./RunSettlement.sol";
import {SettlementCore} from "./SettlementCore.sol";
import {SettlementViews} from "./SettlementViews.sol";

/// @title Settlement of inference receipts
/// @notice The batch's way: posted, certified, final; or rejected and once more.
contract InferenceSettlement is SettlementViews, RunSettlement {
    uint8 private constant MAX_OPEN_DEMANDS = 16;
    uint8 private constant MAX_DEMANDS = 128;

    /// @notice Code of `settle`: one contract cannot hold all. It works in this contract's storage and has none that counts.
    address public immutable PART;

    address private immutable COURT;
    address private immutable DEMANDS;

    constructor(
        address authority,
        INodeRegistry registry,
        ISignatureChecker signatures,
        IVerifierRouter router,
        SettlementParams memory params_
    )
        AccessManaged(authority)
        SettlementCore(registry, signatures, router, params_, ProtocolDomain.separator(block.chainid, address(this)))
    {
        Authorities memory named = registry.authorities();
        require(named.settlement == address(this), SettlementBadParams("registry"));
        (COURT, DEMANDS) = (named.court, named.demands);
        PART = address(new IndividualSettlement(authority, registry, signatures, router, params_, DOMAIN));
    }

    modifier onlyArbiter() {
        require(isArbiter(msg.sender), SettlementNotArbiter(msg.sender));
        _;
    }

    /// @inheritdoc IInferenceSettlement
    function settle(Settlement calldata) external override returns (bytes32) {
        address part = PART;
        assembly ("memory-safe") {
            // The whole answer is the part's: memory is not used after this.
            calldatacopy(0, 0, calldatasize())
            let ok := delegatecall(gas(), part, 0, calldatasize(), 0, 0)
            returndatacopy(0, 0, returndatasize())
            if ok { return(0, returndatasize()) }
            revert(0, returndatasize())
        }
    }

    /// @inheritdoc IInferenceSettlement
    function settleMany(bytes[] calldata settlements) external override returns (bytes4[] memory reasons) {
        reasons = new bytes4[](settlements.length);
        for (uint256 i = 0; i < settlements.length; ++i) {
            // An own call each: what fails is undone alone.
            (bool ok, bytes memory reason) = address(this).call(abi.encodePacked(this.settle.selector, settlements[i]));
            if (ok) continue;
            reasons[i] = reason.length < 4 ? bytes4(0xffffffff) : bytes4(reason);
            emit SettleSkipped(i, reasons[i]);
        }
    }

    /// @inheritdoc IInferenceSettlement
    function postBatch(BatchHeader calldata header, bytes calldata signature, bool fullBond)
        external
        override
        whenOpen
        returns (bytes32 hash)
    {
        hash = CalldataDigest.header(header, DOMAIN);
        _checkRoots(header);
        _accept(header, signature, hash, _oldest(MAX_AGE), uint64(block.timestamp));
        _post(header, hash, fullBond);
    }

    /// @inheritdoc IInferenceSettlement
    function repost(BatchHeader calldata rejected, BatchHeader calldata header, bytes calldata signature, bool fullBond)
        external
        override
        returns (bytes32 hash)
    {
        Found memory old = _find(rejected);
        require(old.status == BatchStatus.Rejected, SettlementInvalidTransition(old.hash, old.status, BatchStatus.Reposted));
        uint256 deadline = uint256(old.head.postedAt()) + _params.repostTime;
        require(block.timestamp <= deadline, SettlementTooLate(block.timestamp, deadline));
        require(header.nodeId == rejected.nodeId, SettlementBadHeader("nodeId"));
        require(header.totalCharge <= rejected.totalCharge && header.count <= rejected.count, SettlementBadHeader("totalCharge"));
        require(header.minIssuedAt >= rejected.minIssuedAt, SettlementBadHeader("minIssuedAt"));
        require(header.maxIssuedAt <= rejected.maxIssuedAt, SettlementBadHeader("maxIssuedAt"));
        _slots[old.slot].head = old.head.moved(BatchStatus.Reposted);

        hash = CalldataDigest.header(header, DOMAIN);
        emit BatchReposted(old.hash, hash);
        _checkRoots(header);
        // Age and key grace were in order when the rejected header was posted, and its times bound the new one's.
        _accept(header, signature, hash, rejected.minIssuedAt, header.maxIssuedAt);
        _post(header, hash, fullBond);
    }

    /// @inheritdoc IInferenceSettlement
    function batchSettle(bytes32 merkleRoot, uint256 batchSize, bytes calldata walrusBlobId) external override {
        emit BatchSettlement(merkleRoot, batchSize, walrusBlobId);
    }

    /// @inheritdoc IInferenceSettlement
    function certify(BatchHeader calldata header, uint64 epoch, CommitteeMember[] calldata members, QuorumSignature calldata quorum)
        external
        override
    {
        Found memory found = _find(header);
        bytes32 hash = found.hash;
        uint64 before = found.checks.signers();
        // Who checked and came late joins the certificate, in pay and in risk: no carrier can leave a member out.
        bool joins = found.status == BatchStatus.Certified && found.checks.committeeEpoch() == epoch && quorum.signers & ~uint256(before) != 0;
        bool may = found.status == BatchStatus.Posted || joins;
        require(may, SettlementInvalidTransition(hash, found.status, BatchStatus.Certified));
        bytes32 digest = StatementLib.digest(LeafCheck(hash, epoch), DOMAIN);
        (uint256 signed, uint256 total) = COMMITTEE.signedStake(epoch, members, digest, quorum);
        require(joins || CommitteeLib.isQuorum(signed, total), SettlementNotCertifiable(hash, signed, total));

        _slots[found.slot].checks = found.checks.certified(uint32(epoch), uint64(quorum.signers));
        emit BatchCertified(hash, uint32(epoch), before | uint64(quorum.signers), signed);
    }

    /// @inheritdoc IInferenceSettlement
    function finalize(BatchHeader calldata header) external override {
        Found memory found = _find(header);
        (bytes32 hash, HeadWord head) = (found.hash, found.head);
        bool may = found.status == BatchStatus.Certified || (found.status == BatchStatus.Posted && head.fullBond());
        require(may, SettlementInvalidTransition(hash, found.status, BatchStatus.Final));
        require(found.checks.openDemands() == 0, SettlementOpenDemands(hash, found.checks.openDemands()));
        (uint256 time, uint256 block_) = _finalizableAt(found);
        require(block.timestamp >= time && block.number >= block_, SettlementNotYet(block.timestamp, time, block.number, block_));
        uint64 since = REGISTRY.compromisedSince(header.keyId);
        require(since == 0 || since > head.postedAt(), SettlementCompromised(hash, since));

        _slots[found.slot].head = head.moved(BatchStatus.Final);
        emit BatchFinalized(hash, header.nodeId);
        REGISTRY.unlockBond(header.nodeId, _lockOf(header.totalCharge, head.fullBond()), hash);
    }

    /// @inheritdoc IInferenceSettlement
    function annul(BatchHeader calldata header) external override {
        Found memory found = _pending(header, BatchStatus.RejectedNoFault);
        uint64 since = REGISTRY.compromisedSince(header.keyId);
        uint256 postedAt = found.head.postedAt();
        bool compromised = since != 0 && since <= postedAt;
        bool unbacked =
            found.status == BatchStatus.Posted && !found.head.fullBond() && block.timestamp > postedAt + _params.certTime;
        require(compromised || unbacked, SettlementNothingToAnnul(found.hash));
        _void(header, found, 0);
    }

    /// @inheritdoc IInferenceSettlement
    function reject(BatchHeader calldata header, uint8 kind, address reporter) external override onlyArbiter {
        Found memory found = _pending(header, BatchStatus.Rejected);
        // Whether an output is right no checker can know: the request is not in the blob.
        bool hidden = kind == uint8(FaultKind.WrongOutput);
        _slots[found.slot].head = found.head.rejected(hidden);
        emit BatchRejected(found.hash, header.nodeId, BatchStatus.Rejected, kind, reporter);

        REGISTRY.slash(header.nodeId, found.hash, _lockOf(header.totalCharge, found.head.fullBond()), true, reporter);
        // Signing blindly must cost more than checking (S6).
        bool signed = found.status == BatchStatus.Certified && !hidden;
        if (signed) COMMITTEE.slashLeafCheck(found.hash, found.checks.committeeEpoch(), found.checks.signers(), reporter);
    }

    /// @inheritdoc IInferenceSettlement
    function void(BatchHeader calldata header, uint8 kind) external override onlyArbiter {
        _void(header, _pending(header, BatchStatus.RejectedNoFault), kind);
    }

    /// @inheritdoc IInferenceSettlement
    function countDemand(BatchHeader calldata header, bool opened) external override onlyArbiter {
        Found memory found = _find(header);
        ChecksWord checks = found.checks;
        if (opened) {
            bool pending = found.status == BatchStatus.Posted || found.status == BatchStatus.Certified;
            require(pending, SettlementInvalidTransition(found.hash, found.status, found.status));
            (uint256 ends,) = _finalizableAt(found);
            require(block.timestamp < ends, SettlementTooLate(block.timestamp, ends));
            bool room = checks.openDemands() < MAX_OPEN_DEMANDS && checks.totalDemands() < MAX_DEMANDS;
            require(room, SettlementTooManyDemands(found.hash, checks.openDemands(), checks.totalDemands()));
            checks = checks.demanded(uint32(_params.responseTime));
        } else {
            require(checks.openDemands() != 0, SettlementOpenDemands(found.hash, 0));
            checks = checks.answered();
        }
        _slots[found.slot].checks = checks;
        emit DemandCounted(found.hash, checks.openDemands(), checks.totalDemands(), checks.extension());
    }

    /// @inheritdoc IInferenceSettlement
    function isArbiter(address account) public view override returns (bool) {
        return account == COURT || account == DEMANDS;
    }

    function _void(BatchHeader calldata header, Found memory found, uint8 kind) private {
        _slots[found.slot].head = found.head.moved(BatchStatus.RejectedNoFault);
        emit BatchRejected(found.hash, header.nodeId, BatchStatus.RejectedNoFault, kind, address(0));
        REGISTRY.unlockBond(header.nodeId, _lockOf(header.totalCharge, found.head.fullBond()), found.hash);
    }

    function _pending(BatchHeader calldata header, BatchStatus to) private view returns (Found memory found) {
        found = _find(header);
        bool pending = found.status == BatchStatus.Posted || found.status == BatchStatus.Certified;
        require(pending, SettlementInvalidTransition(found.hash, found.status, to));
    }

    /// A batch's data stands elsewhere: it must be findable and checkable.
    function _checkRoots(BatchHeader calldata header) private pure {
        require(header.receiptsRoot != 0 && header.channelsRoot != 0, SettlementBadHeader("receiptsRoot"));
        require(header.blobId != 0, SettlementBadHeader("blobId"));
        require(header.contentHash != 0, SettlementBadHeader("contentHash"));
        require(header.format != 0, SettlementBadHeader("format"));
    }
}
