// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {BatchHeader, ChannelStretch} from "../types/Batch.sol";
import {InferenceReceipt} from "../types/Receipt.sol";
import {Terms} from "../types/Terms.sol";
import {ChannelConfig, VoucherClaim} from "./IX402BatchSettlement.sol";

/// What became of one row of a claim. A bad row never stops its neighbours.
enum ClaimStatus {
    None,
    Claimed, // the line stands where the row says
    Ahead, // the line is further already; nothing changed
    NotRegistered, // `register` the channel first
    NotAuthorized, // neither the channel's authorizer nor a receipt carries this row
    Refused, // the channel contract refused it: signature, ceiling, balance
    TokenImpaired // the token did not arrive as the channel contract says; no mark was opened
}

/// What became of one stretch of a release or refund.
enum StretchStatus {
    None,
    Settled,
    NotRegistered,
    WrongPlace, // another chain or escrow
    WrongNode, // the channel's terms name another node
    Gap, // starts above the watermark: what lies below is not decided
    Empty, // nothing of it is claimed and undecided
    CapReached, // the epoch's release cap of this token is used up
    TokenImpaired
}

/// The line of one channel. released + refunded == settledUpTo <= mark <= totalClaimed.
struct Line {
    uint96 settledUpTo; // everything below is paid, once
    uint88 held; // mark - settledUpTo; 0 when no mark is open
    uint32 markedAt; // seconds
    uint32 markedAlive; // inbox.aliveTime() then
    uint8 flags; // LINE_*
}

uint8 constant LINE_REGISTERED = 1;
uint8 constant LINE_MORE = 2; // money above the mark was seen: the next mark opens as soon as this one closes
uint8 constant LINE_PRIVATE = 4; // released at claim

/// Where the stretches of a call stand in their header's channels tree. Empty when they are the whole list.
struct StretchPlaces {
    uint32[] indices; // ascending, one a stretch
    bytes32[] path; // PositionalTree's multiproof
}

/// What the rows of a packed claim have in common; their receiver is the escrow.
struct ClaimShape {
    address receiverAuthorizer;
    address token;
    uint40 withdrawDelay;
}

/// [from, to) of one line was paid.
struct Move {
    bytes32 paymentId;
    uint128 from;
    uint128 to;
}

/// Claimed money of one line is dated up to `mark`.
struct Mark {
    bytes32 paymentId;
    uint128 mark;
}

/// What releases under the same terms left for treasury and publisher, until `collect`.
struct Shares {
    uint128 fee;
    uint128 royalty;
}

/// A channel that the escrow knows. Immutable.
struct ChannelRecord {
    address payer; // gets refunds
    address payerAuthorizer; // may sign Acks too; 0 when it is the payer
    address token;
    bytes32 termsHash;
    bool isPrivate; // released at claim
}

/// Terms as they were registered. Immutable.
struct TermsRecord {
    bytes32 termsHash;
    bytes32 nodeId;
    address payout;
    uint16 royaltyBps;
    uint16 feeBps; // protocol fee when the terms were registered, never above their cap
    address royaltyTo;
    address treasury; // gets the fee: the treasury when the terms were registered
}

/// A gross amount and where it goes; net + fee + royalty == gross.
struct Split {
    uint256 gross;
    uint256 net;
    uint256 fee;
    uint256 royalty;
}

/// Errors and events of both halves.
interface IEscrowEvents {
    error EscrowZeroAddress();
    error EscrowBadTimes(uint32 refund);
    error EscrowPaused();
    error EscrowFeeTooHigh(uint256 bps, uint256 max);
    /// `receiver` of the channel is another contract.
    error EscrowWrongReceiver(address receiver);
    /// The terms name another inbox, an unknown mode or verification, no payout, or shares above the limits.
    error EscrowBadTerms(bytes32 termsHash);
    /// The channel's salt is not TermsLib.salt(termsHash, clientNonce).
    error EscrowWrongSalt(bytes32 paymentId, bytes32 salt, bytes32 expected);
    /// The channel has salt 0 and its authorizer has not set default terms.
    error EscrowNoDefaultTerms(address receiverAuthorizer);
    error EscrowWithdrawDelayTooShort(uint40 withdrawDelay, uint40 minimum);
    error EscrowNotRegistered(bytes32 paymentId);
    error EscrowBadSigner(bytes32 paymentId, bytes32 digest);
    error EscrowNotNode(address caller);
    error EscrowLengthMismatch(uint256 left, uint256 right);
    /// Rows are not in the standard encoding, or packed rows are not 149 bytes each.
    error EscrowBadRows(uint256 bytesGiven);
    /// The inbox holds no verdict on this header.
    error EscrowNoVerdict(bytes32 headerHash);
    /// The verdict is not the one that this call needs, or is on another channels root.
    error EscrowWrongVerdict(bytes32 headerHash, uint8 status);
    /// The stretches do not stand at these places of the header's channels tree.
    error EscrowNotInRoot(bytes32 root, bytes32 channelsRoot);
    /// A mark of the token cannot be opened: what the channel contract counts is not here.
    error EscrowTokenImpaired(address token);
    error EscrowNothingHeld(bytes32 paymentId);
    error EscrowTooEarly(bytes32 paymentId, uint256 aliveElapsed, uint256 elapsed);
    error EscrowNotAGap(bytes32 paymentId, uint256 from, uint256 settledUpTo);
    error EscrowNothingToWithdraw(address beneficiary, address token);
    /// The token took more, or said that it failed.
    error EscrowTransferFailed(address token, address to, uint256 amount);
    error EscrowStakePriceSet(address token);

    event ChannelRegistered(bytes32 indexed paymentId, bytes32 indexed termsHash, address indexed payer, address token);
    event TermsRegistered(
        bytes32 indexed termsHash,
        bytes32 indexed nodeId,
        address payout,
        uint16 royaltyBps,
        uint16 feeBps,
        address royaltyTo,
        address treasury
    );
    event DefaultTermsSet(address indexed receiverAuthorizer, bytes32 indexed termsHash);
    event Delegated(address indexed receiverAuthorizer, address indexed receiptSigner, bool allowed);
    event RowSkipped(bytes32 indexed paymentId, ClaimStatus status);
    /// Claimed money of these lines is dated from now on, up to the marks.
    event MarksOpened(Mark[] marks);
    /// To nodes. `cause`: 0 for the payer's Ack or private terms, else the header's hash. The rows have the same terms and token;
    /// fee and royalty are their sums.
    event Released(bytes32 indexed cause, Move[] moves, uint256 fee, uint256 royalty);
    /// To payers. `cause`: 0 for silence, else the header's hash. The rows have the same token.
    event Refunded(bytes32 indexed cause, Move[] moves);
    event Collected(bytes32 indexed termsHash, address indexed token, uint256 fee, uint256 royalty);
    event StretchSkipped(bytes32 indexed paymentId, bytes32 indexed headerHash, StretchStatus status);
    event TokenImpaired(address indexed token, uint256 expected, uint256 balance);
    event Withdrawn(address indexed beneficiary, address indexed token, address to, uint256 amount);
    event Redirected(address indexed beneficiary, address to);
    event FeeSet(uint16 bps);
    event TreasurySet(address treasury);
    event StakePriceSet(address indexed token, uint256 unitsPerStakeX64);
    event IntakePaused(bool paused);
}

/// The half that money moves by. See IPaymentEscrow.
interface IEscrowLedger is IEscrowEvents {
    // ---- into the escrow

    /// @notice Claims at the channel contract, sweeps, and opens marks. Rows of channels that do not exist here, rows without
    /// authority and rows that the channel contract refuses are skipped, each with its status.
    /// @param authorization Empty when the caller is the authorizer of the rows; else the authorizer's signature over x402's ClaimBatch.
    function claim(VoucherClaim[] calldata rows, bytes calldata authorization) external returns (ClaimStatus[] memory);

    /// @notice The same for rows in 149 bytes each: payer 20 | salt 32 | maxClaimableAmount 16 | totalClaimed 16 | signature 65. Less
    /// than half of the calldata; for channels of one authorizer, token and withdraw delay whose payers sign vouchers themselves.
    function claimPacked(ClaimShape calldata shape, bytes calldata rows, bytes calldata authorization)
        external
        returns (ClaimStatus[] memory);

    /// @notice The same for rows that a receipt carries: cumulativeBefore + charge == totalClaimed. Anyone.
    function claimByReceipt(VoucherClaim[] calldata rows, InferenceReceipt[] calldata receipts, bytes[] calldata signatures)
        external
        returns (ClaimStatus[] memory);

    /// @notice Looks after the marks of channels that were claimed elsewhere. Anyone; this starts the clock of refunds.
    function sync(bytes32[] calldata paymentIds) external returns (ClaimStatus[] memory);

    // ---- out of the escrow

    /// @notice The payer accepts what was delivered up to `cumulative`: the node is paid what is claimed of it. Carried by anyone.
    /// @return released Gross amount that moved now; 0 when nothing was left to move.
    function ack(bytes32 paymentId, uint128 cumulative, bytes calldata signature) external returns (uint256 released);

    /// @notice Final batch: pays its stretches, up to what is claimed. The inbox holds the verdict already (`record`).
    /// Fee and royalty are set aside for `collect`.
    /// @param places Of these stretches in the header; empty when they are the header's whole list in order.
    function release(BatchHeader calldata header, ChannelStretch[] calldata stretches, StretchPlaces calldata places)
        external
        returns (StretchStatus[] memory);

    /// @notice The node gives up what lies between the watermark and the first of `stretches`, which is final and starts above it:
    /// the gap is refunded, that one stretch released. Caller: payout or receiverAuthorizer of the channel.
    function skipGap(
        ChannelConfig calldata config,
        BatchHeader calldata header,
        ChannelStretch[] calldata stretches,
        StretchPlaces calldata places
    ) external returns (StretchStatus);

    /// @notice Rejected batch (not reposted): its stretches are the payers'. Parameters as for `release`.
    function refundRejected(BatchHeader calldata header, ChannelStretch[] calldata stretches, StretchPlaces calldata places)
        external
        returns (StretchStatus[] memory);

    /// @notice The mark is older than T_refund of inbox-alive time: what lies below it is the payer's; the next mark opens.
    function refundExpired(bytes32 paymentId) external returns (uint256 refunded);

    /// @notice Sends a beneficiary's credit to it, or where it redirected it. Anyone.
    function withdraw(address beneficiary, address token) external returns (uint256 amount);

    // ---- views; for previews see IEscrowLens
    function lineOf(bytes32 paymentId) external view returns (Line memory);

    function credit(address beneficiary, address token) external view returns (uint256);

    /// @notice Most that certificates of one epoch may release of a token: half of the stake behind a quorum, in the token.
    function releaseCap(uint64 epoch, address token) external view returns (uint256 cap, uint256 used);

    function channelContract() external view returns (address);

    function inbox() external view returns (address);

    function refundTime() external view returns (uint32);

    function domainSeparator() external view returns (bytes32);
}

/// The half that records who stands behind a channel, and what the admin may set. See IPaymentEscrow.
interface IEscrowRegister is IEscrowEvents {
    // ---- who is on the other side of a channel

    /// @notice Records a channel whose salt commits to `terms`. Anyone, once; the same again has no effect.
    function register(ChannelConfig calldata config, Terms calldata terms, bytes32 clientNonce) external returns (bytes32 paymentId);

    /// @notice Records a channel of a stock client (salt 0) under its authorizer's default terms as they stand now; always held.
    function registerDefault(ChannelConfig calldata config) external returns (bytes32 paymentId);

    /// @notice Caller is a payment authorizer: channels with salt 0 that are registered later have these terms.
    function setDefaultTerms(Terms calldata terms) external;

    /// @notice Caller is a payment authorizer: a receipt signed by `receiptSigner` (secp256k1 receipt key) carries claims of its channels.
    function delegate(address receiptSigner, bool allowed) external;

    /// @notice Credits what releases under these terms have set aside: fees to the terms' treasury, royalties to their beneficiary.
    /// Anyone; terms with nothing set aside are passed over.
    function collect(bytes32[] calldata termsHashes, address token) external;

    /// @notice Caller's withdrawals go to `to` from now on; 0 for back to itself.
    function redirect(address to) external;

    // ---- views
    function channelOf(bytes32 paymentId) external view returns (ChannelRecord memory);

    function termsOf(bytes32 termsHash) external view returns (TermsRecord memory);

    function isDelegate(address receiverAuthorizer, address receiptSigner) external view returns (bool);

    function defaultTermsOf(address receiverAuthorizer) external view returns (bytes32);

    /// @notice Set aside by releases and not collected yet.
    function sharesOf(bytes32 termsHash, address token) external view returns (Shares memory);

    function redirectOf(address beneficiary) external view returns (address);

    /// @notice Token units behind one unit of stake, X64; 0 when not set: certificates then release nothing of the token.
    function stakePriceOf(address token) external view returns (uint256);

    function feeBps() external view returns (uint16);

    function treasury() external view returns (address);

    /// @notice Least withdraw delay of channels, seconds.
    function minWithdrawDelay() external view returns (uint40);

    /// @notice Whether `register` and `registerDefault` refuse.
    function intakePaused() external view returns (bool);

    // ---- admin (AccessManager)

    /// @notice For terms that are registered later. <= 500.
    function setFee(uint16 bps) external;

    /// @notice For terms that are registered later.
    function setTreasury(address treasury_) external;

    /// @notice Token units behind one unit of stake (X64), for the release cap. Once per token: a cap that moves could turn releases
    /// into refunds.
    function setStakePrice(address token, uint256 unitsPerStakeX64) external;

    function pauseIntake(bool paused) external;
}

/// @title Payment escrow
/// @notice The receiver of every x402 channel that pays for inference, as a watermark on each channel's number line: a unit
/// between `settledUpTo` and what the channel contract calls `totalClaimed` is held, and becomes the node's or the payer's once.
///
/// ROLES. The node's payment authorizer (the channel's receiverAuthorizer) claims. The payer (or its voucher key) acknowledges.
/// Everyone may register channels, look after marks, carry certificates, refund what is due and push withdrawals to their
/// beneficiary. Admin (AccessManager): fee and treasury for terms not registered yet, pause of `register`.
/// MONEY. Silence refunds; only a certificate, the payer's Ack or private terms release. Claims follow the channel contract's
/// own counts, never balances: donations and foreign sweeps change nothing.
/// TOKEN REQUIREMENTS. A line stays below 2^96 units. A token that takes a fee, lies or reverts is impaired alone: its claims open
/// no marks, its withdrawals revert; no other token notices.
/// LIVENESS. A held unit is decided within 2 x T_refund of inbox-alive time, T_stopMax longer at most, by permissionless calls. Nothing but
/// `register` can be paused.
/// TRUST. The channel contract (immutable), the inbox (immutable) up to the release cap an epoch, the token for itself.
/// ROUNDING. Fee and royalty round down, the node gets the rest.
interface IPaymentEscrow is IEscrowLedger, IEscrowRegister {}
