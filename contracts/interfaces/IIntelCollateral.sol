// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// What Intel says about a platform or an enclave. `Attestation.tcbStatus` carries it.
enum TcbStatus {
    UpToDate,
    SWHardeningNeeded,
    ConfigurationNeeded,
    ConfigurationAndSWHardeningNeeded,
    OutOfDate,
    OutOfDateConfigurationNeeded,
    /// `verify` reverts.
    Revoked,
    /// Below every level that Intel lists: older than out of date.
    Unsupported
}

/// What a quote and its PCK certificate claim about a platform, to be judged by Intel's collateral.
struct Platform {
    bytes32 authority; // keccak256(issuer's name | authority key id) of the PCK certificate
    uint256 serial; // of the PCK certificate
    uint8 teeType; // 2 TDX, 3 SGX
    bytes6 fmspc;
    bytes2 pceId;
    bytes16 cpuSvn; // the certificate's sixteen components
    uint16 pceSvn;
    bytes16 teeTcbSvn; // of the TD report; zero for SGX
    bytes32 qeSigner; // MRSIGNER of the quoting enclave
    bytes16 qeAttributes;
    bytes4 qeMiscSelect;
    uint16 qeProduct;
    uint16 qeSvn;
}

/// A certificate on record.
struct IntelAuthority {
    uint256 x;
    uint256 y;
    uint48 notAfter;
    uint8 role; // 0 nothing, 1 root, 2 issuer of PCK certificates, 3 signer of TCB information
    uint32 epoch; // the root's revocations known when it was last verified
    uint48 crlIssued; // its own revocation list
    uint48 crlUntil;
}

/// TCB information or a QE identity on record.
struct IntelStatement {
    uint48 issued;
    uint48 until; // the earlier of nextUpdate and the signing certificate's end
    uint32 evaluation; // tcbEvaluationDataNumber
    uint32 epoch;
    uint8 levels;
}

/// @title Intel's attestation collateral
/// @notice ROLES. None. Anyone may bring what Intel has signed; nobody can bring anything else, and there is no owner.
///
/// TRUST. One root certificate, named by its hash at deployment. It signs the authorities that issue PCK certificates, the
/// certificate that signs TCB information, and a revocation list for those; an authority signs a list for its PCKs.
///
/// MONOTONE. What is on record gives way only to what Intel issued later: `issueDate` and `tcbEvaluationDataNumber` never
/// step back, nor does a revocation list's `thisUpdate`. A serial number that was listed stays revoked.
///
/// EXPIRY. Nothing is used after its `nextUpdate`, and nothing without both revocation lists. When the root's list names a
/// certificate for the first time, everything below the root has to be brought again before it serves.
///
/// STATUS. Judged by Intel's rules (PCS API, version 4): the first level, in Intel's own order, that the platform reaches in
/// all components; for TDX modules with a version the module's own levels; the quoting enclave's levels. The worst of the
/// three is the answer. What reaches no level at all is Unsupported: a policy that takes OutOfDate does not take it. A relaunch that would help is not looked at: OutOfDate stays OutOfDate.
interface IIntelCollateral {
    event IntelCertificateRecorded(bytes32 indexed id, uint8 role, uint48 notAfter);
    event IntelCrlRecorded(bytes32 indexed authority, uint48 issued, uint48 until, uint256 newlyRevoked);
    event IntelTcbInfoRecorded(
        uint8 indexed teeType, bytes6 indexed fmspc, bytes2 pceId, uint48 issued, uint48 until, uint32 evaluation
    );
    event IntelQeIdentityRecorded(uint8 indexed teeType, uint48 issued, uint48 until, uint32 evaluation);

    /// The root certificate is not on record yet.
    error IntelNoRoot();
    /// Not issued by the root.
    error IntelIssuer(bytes32 authority, bytes32 root);
    /// Neither a PCK authority nor the signer of TCB information, by its common name and constraints.
    error IntelRole(uint256 position);
    /// The signature over a certificate, a list or a statement is wrong.
    error IntelSignature();
    error IntelSignatureLength(uint256 length);
    /// Nothing on record under this id in the role that is needed.
    error IntelUnknownAuthority(bytes32 authority, uint256 role, uint256 needed);
    error IntelNotYetValid(uint256 from, uint256 now_);
    /// A certificate has ended.
    error IntelCertificateExpired(uint256 until, uint256 now_);
    /// TCB information, a QE identity or a revocation list has passed its `nextUpdate`.
    error IntelCollateralExpired(bytes32 what, uint256 until, uint256 now_);
    /// Not later than what is on record.
    error IntelNotNewer(uint256 issued, uint256 evaluation, uint256 recordedIssued, uint256 recordedEvaluation);
    /// On record since before the root's list named a certificate: bring it again.
    error IntelStale(bytes32 what, uint256 epoch, uint256 current);
    error IntelRevoked(bytes32 authority, uint256 serial);
    /// The list's version, or a list that is not complete by itself.
    error IntelCrlForm(uint256 position);
    /// Another `version`, `id`, `tcbType` or type of TEE than this reader knows.
    error IntelStatementType(uint256 position, bytes32 field);
    /// A member is missing or stands there twice.
    error IntelStatementMember(uint256 position, uint256 seen);
    /// A module signed by somebody else than Intel, with attributes, or with attributes that need not match.
    error IntelModuleSigner(uint256 position);
    /// More levels than there is room for, fewer or more components than sixteen, a number too large for its field.
    error IntelStatementSize(uint256 position);
    error IntelUnknownStatus(uint256 position);
    /// No TCB information on record for this type, FMSPC and PCE.
    error IntelNoTcbInfo(uint8 teeType, bytes6 fmspc, bytes2 pceId);
    error IntelNoQeIdentity(uint8 teeType);
    /// The TDX module's version has no identity.
    error IntelModuleUnknown(uint8 version, uint8 svn);
    /// The quoting enclave is not Intel's: signer, product, attributes or MISCSELECT.
    error IntelQeIdentity(bytes32 signer, uint16 product, bytes16 attributes, bytes4 miscSelect);
    /// Intel says that this platform, module or quoting enclave is revoked.
    error IntelTcbRevoked();

    /// keccak256 of the root certificate's DER.
    function ROOT() external view returns (bytes32);

    /// Whether the chain has the precompile for P-256.
    function NATIVE() external view returns (bool);

    /// keccak256(name | key id) of the root; 0 until it is on record.
    function rootId() external view returns (bytes32);

    /// The root itself, or a certificate that the root signed.
    /// @param der The whole certificate.
    /// @return id keccak256(subject's name | subject key id), under which it is on record.
    function upsertCertificate(bytes calldata der) external returns (bytes32 id);

    /// A revocation list of the root or of a PCK authority.
    function upsertCrl(bytes calldata der) external returns (bytes32 authority);

    /// @param json The value of `tcbInfo` as Intel signed it, byte for byte.
    /// @param signature r | s.
    /// @param signer Id of the certificate that signed it.
    function upsertTcbInfo(bytes calldata json, bytes calldata signature, bytes32 signer) external;

    /// @param json The value of `enclaveIdentity` as Intel signed it, byte for byte.
    function upsertQeIdentity(bytes calldata json, bytes calldata signature, bytes32 signer) external;

    /// Judges a platform, or reverts.
    /// @return x The authority's public key, with which the PCK certificate must be signed.
    /// @return y Its second coordinate.
    /// @return status Never `Revoked`: that reverts.
    /// @return validUntil The earliest end of everything that was used.
    function appraise(Platform calldata platform)
        external
        view
        returns (uint256 x, uint256 y, TcbStatus status, uint256 validUntil);

    function authority(bytes32 id) external view returns (IntelAuthority memory);

    function isRevoked(bytes32 authority_, uint256 serial) external view returns (bool);

    function tcbInfo(uint8 teeType, bytes6 fmspc, bytes2 pceId) external view returns (IntelStatement memory);

    function qeIdentity(uint8 teeType) external view returns (IntelStatement memory);
}
