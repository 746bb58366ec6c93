// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";

import {ICommittee} from "../interfaces/ICommittee.sol";
import {IInferenceSettlement} from "../interfaces/IInferenceSettlement.sol";
import {INodeRegistry} from "../interfaces/INodeRegistry.sol";
import {ISignatureChecker} from "../interfaces/ISignatureChecker.sol";
import {IVerifierRouter} from "../interfaces/IVerifierRouter.sol";
import {CalldataDigest} from "../libraries/CalldataDigest.sol";
import {ProtocolDomain} from "../libraries/ProtocolDomain.sol";
import {BatchHeader} from "../types/Batch.sol";
import {CommitteeLib, CommitteeMember, QuorumSignature} from "../types/Committee.sol";
import {BatchStatus} from "../types/Enums.sol";
import {FaultKind} from "../types/Faults.sol";
import {Batch, Settlement, SettlementParams} from "../types/Settlement.sol";
import {LeafCheck, StatementLib} from "../types/Statements.sol";
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

    mapping(address => bool) private _arbiters;

    constructor(
        address authority,
        INodeRegistry registry,
        ISignatureChecker signatures,
        IVerifierRouter router,
        ICommittee committee,
        SettlementParams memory params_
    )
        AccessManaged(authority)
        SettlementCore(registry, signatures, router, committee, params_, ProtocolDomain.separator(block.chainid, address(this)))
    {
        PART = address(new IndividualSettlement(authority, registry, signatures, router, committee, params_, DOMAIN));
    }

    modifier onlyArbiter() {
        require(_arbiters[msg.sender], SettlementNotArbiter(msg.sender));
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
        bytes32 old = CalldataDigest.header(rejected, DOMAIN);
        Batch storage entry = _batches[old];
        require(entry.status == BatchStatus.Rejected, SettlementInvalidTransition(old, entry.status, BatchStatus.Reposted));
        uint256 deadline = uint256(entry.postedAt) + _params.repostTime;
        require(block.timestamp <= deadline, SettlementTooLate(block.timestamp, deadline));
        require(header.nodeId == rejected.nodeId, SettlementBadHeader("nodeId"));
        require(header.totalCharge <= rejected.totalCharge && header.count <= rejected.count, SettlementBadHeader("totalCharge"));
        require(header.minIssuedAt >= rejected.minIssuedAt, SettlementBadHeader("minIssuedAt"));
        require(header.maxIssuedAt <= rejected.maxIssuedAt, SettlementBadHeader("maxIssuedAt"));
        entry.status = BatchStatus.Reposted;

        hash = CalldataDigest.header(header, DOMAIN);
        emit BatchReposted(old, hash);
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
        bytes32 hash = CalldataDigest.header(header, DOMAIN);
        Batch storage entry = _batches[hash];
        uint64 before = entry.signers;
        // Who checked and came late joins the certificate, in pay and in risk: no carrier can leave a member out.
        bool joins = entry.status == BatchStatus.Certified && entry.committeeEpoch == epoch && quorum.signers & ~uint256(before) != 0;
        bool may = entry.status == BatchStatus.Posted || joins;
        require(may, SettlementInvalidTransition(hash, entry.status, BatchStatus.Certified));
        bytes32 digest = StatementLib.digest(LeafCheck(hash, epoch), DOMAIN);
        (uint256 signed, uint256 total) = COMMITTEE.signedStake(epoch, members, digest, quorum);
        require(joins || CommitteeLib.isQuorum(signed, total), SettlementNotCertifiable(hash, signed, total));

        entry.status = BatchStatus.Certified;
        entry.committeeEpoch = uint32(epoch);
        entry.signers = before | uint64(quorum.signers);
        emit BatchCertified(hash, uint32(epoch), before | uint64(quorum.signers), signed);
    }

    /// @inheritdoc IInferenceSettlement
    function finalize(BatchHeader calldata header) external override {
        bytes32 hash = CalldataDigest.header(header, DOMAIN);
        Batch storage entry = _batches[hash];
        bool may = entry.status == BatchStatus.Certified || (entry.status == BatchStatus.Posted && entry.fullBond);
        require(may, SettlementInvalidTransition(hash, entry.status, BatchStatus.Final));
        require(entry.openDemands == 0, SettlementOpenDemands(hash, entry.openDemands));
        (uint256 time, uint256 block_) = finalizableAt(hash);
        require(block.timestamp >= time && block.number >= block_, SettlementNotYet(block.timestamp, time, block.number, block_));
        uint64 since = REGISTRY.compromisedSince(header.keyId);
        require(since == 0 || since > entry.postedAt, SettlementCompromised(hash, since));

        entry.status = BatchStatus.Final;
        emit BatchFinalized(hash, header.nodeId);
        REGISTRY.unlock(header.nodeId, hash, _lockOf(header.totalCharge, entry.fullBond));
    }

    /// @inheritdoc IInferenceSettlement
    function annul(BatchHeader calldata header) external override {
        (bytes32 hash, Batch storage entry) = _pending(header, BatchStatus.RejectedNoFault);
        uint64 since = REGISTRY.compromisedSince(header.keyId);
        bool compromised = since != 0 && since <= entry.postedAt;
        bool unbacked = entry.status == BatchStatus.Posted && !entry.fullBond
            && block.timestamp > uint256(entry.postedAt) + _params.certTime;
        require(compromised || unbacked, SettlementNothingToAnnul(hash));
        _void(header, hash, entry, 0);
    }

    /// @inheritdoc IInferenceSettlement
    function reject(BatchHeader calldata header, uint8 kind, address reporter) external override onlyArbiter {
        (bytes32 hash, Batch storage entry) = _pending(header, BatchStatus.Rejected);
        (bool certified, uint32 epoch, uint64 signers) = (entry.status == BatchStatus.Certified, entry.committeeEpoch, entry.signers);
        entry.status = BatchStatus.Rejected;
        entry.postedAt = uint40(block.timestamp);
        emit BatchRejected(hash, header.nodeId, BatchStatus.Rejected, kind, reporter);

        REGISTRY.slash(header.nodeId, hash, _lockOf(header.totalCharge, entry.fullBond), true, reporter);
        // Signing blindly must cost more than checking (S6). Whether an output is right no checker can know: the request is not in the blob.
        if (kind == uint8(FaultKind.WrongOutput)) entry.hiddenFault = true;
        else if (certified) COMMITTEE.slashLeafCheck(hash, epoch, signers, reporter);
    }

    /// @inheritdoc IInferenceSettlement
    function void(BatchHeader calldata header, uint8 kind) external override onlyArbiter {
        (bytes32 hash, Batch storage entry) = _pending(header, BatchStatus.RejectedNoFault);
        _void(header, hash, entry, kind);
    }

    /// @inheritdoc IInferenceSettlement
    function countDemand(BatchHeader calldata header, bool opened) external override onlyArbiter {
        bytes32 hash = CalldataDigest.header(header, DOMAIN);
        Batch storage entry = _batches[hash];
        if (opened) {
            bool pending = entry.status == BatchStatus.Posted || entry.status == BatchStatus.Certified;
            require(pending, SettlementInvalidTransition(hash, entry.status, entry.status));
            (uint256 ends,) = finalizableAt(hash);
            require(block.timestamp < ends, SettlementTooLate(block.timestamp, ends));
            bool room = entry.openDemands < MAX_OPEN_DEMANDS && entry.totalDemands < MAX_DEMANDS;
            require(room, SettlementTooManyDemands(hash, entry.openDemands, entry.totalDemands));
            if (entry.totalDemands == 0) entry.extension += uint32(_params.responseTime);
            ++entry.openDemands;
            ++entry.totalDemands;
        } else {
            require(entry.openDemands != 0, SettlementOpenDemands(hash, 0));
            --entry.openDemands;
        }
        emit DemandCounted(hash, entry.openDemands, entry.totalDemands, entry.extension);
    }

    /// @inheritdoc IInferenceSettlement
    function setArbiter(address arbiter, bool allowed) external override restricted {
        _arbiters[arbiter] = allowed;
        emit ArbiterSet(arbiter, allowed);
    }

    /// @inheritdoc IInferenceSettlement
    function isArbiter(address account) external view override returns (bool) {
        return _arbiters[account];
    }

    function _void(BatchHeader calldata header, bytes32 hash, Batch storage entry, uint8 kind) private {
        entry.status = BatchStatus.RejectedNoFault;
        emit BatchRejected(hash, header.nodeId, BatchStatus.RejectedNoFault, kind, address(0));
        REGISTRY.unlock(header.nodeId, hash, _lockOf(header.totalCharge, entry.fullBond));
    }

    function _pending(BatchHeader calldata header, BatchStatus to) private view returns (bytes32 hash, Batch storage entry) {
        hash = CalldataDigest.header(header, DOMAIN);
        entry = _batches[hash];
        bool pending = entry.status == BatchStatus.Posted || entry.status == BatchStatus.Certified;
        if (!pending) revert SettlementInvalidTransition(hash, _statusOf(header, hash), to);
    }

    /// A batch's data stands elsewhere: it must be findable and checkable.
    function _checkRoots(BatchHeader calldata header) private pure {
        require(header.receiptsRoot != 0 && header.channelsRoot != 0, SettlementBadHeader("receiptsRoot"));
        require(header.blobId != 0, SettlementBadHeader("blobId"));
        require(header.contentHash != 0, SettlementBadHeader("contentHash"));
        require(header.format != 0, SettlementBadHeader("format"));
    }
}
