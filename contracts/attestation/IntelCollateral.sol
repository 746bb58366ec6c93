// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {
    IIntelCollateral,
    IntelAuthority,
    IntelStatement,
    Platform,
    TcbStatus
} from "../interfaces/IIntelCollateral.sol";
import {P256} from "./P256.sol";
import {X509P256} from "./der/X509P256.sol";
import {Appraisal} from "./intel/Appraisal.sol";
import {Crl} from "./intel/Crl.sol";
import {IntelNames} from "./intel/IntelNames.sol";
import {IntelStatements} from "./intel/IntelStatements.sol";
import {Statement} from "./intel/Statement.sol";

/// @title What Intel has signed about its platforms
/// @dev The manual is IIntelCollateral.
contract IntelCollateral is IIntelCollateral {
    uint8 private constant ROLE_ROOT = 1;
    uint8 private constant ROLE_ISSUER = 2;
    uint8 private constant ROLE_SIGNER = 3;

    bytes32 public immutable ROOT;
    bool public immutable NATIVE;
    IntelStatements public immutable STATEMENTS;

    bytes32 public rootId;
    mapping(bytes32 id => IntelAuthority) private _authorities;
    mapping(bytes32 certificate => bool) private _revoked;
    mapping(bytes32 key => Appraisal.TcbRecord) private _tcb;
    mapping(uint256 teeType => Appraisal.QeRecord) private _qe;

    constructor(bytes32 root, IntelStatements statements) {
        ROOT = root;
        STATEMENTS = statements;
        NATIVE = P256.isNative();
    }

    function upsertCertificate(bytes calldata der) external returns (bytes32 id) {
        uint256 start;
        assembly {
            start := der.offset
        }
        (uint256 tbs, uint256 tbsEnd, uint256 r, uint256 s) = X509P256.envelope(start, start + der.length);
        X509P256.Certificate memory certificate = X509P256.parse(tbs, tbsEnd, 0);
        id = certificate.subjectKey;
        IntelAuthority memory record = _authorities[id];
        if (keccak256(der) == ROOT) {
            // Its hash is its proof.
            X509P256.requireAuthority(certificate, tbs);
            require(id != 0 && certificate.authorityKey == id, IntelIssuer(certificate.authorityKey, id));
            rootId = id;
            record.role = ROLE_ROOT;
        } else {
            bytes32 root = rootId;
            require(root != 0, IntelNoRoot());
            require(certificate.authorityKey == root, IntelIssuer(certificate.authorityKey, root));
            IntelAuthority memory parent = _authorities[root];
            _verify(sha256(msg.data[tbs:tbsEnd]), r, s, parent);
            require(!_revoked[_revocation(root, certificate.serial)], IntelRevoked(root, certificate.serial));
            record.role = _role(certificate, tbs);
            if (certificate.notAfter > parent.notAfter) certificate.notAfter = parent.notAfter;
            // Another edition for the same name and key does not shorten what a longer one gave, unless that may be revoked.
            if (record.epoch == parent.epoch && record.notAfter > certificate.notAfter) certificate.notAfter = record.notAfter;
            record.epoch = parent.epoch;
        }
        require(block.timestamp >= certificate.notBefore, IntelNotYetValid(certificate.notBefore, block.timestamp));
        require(block.timestamp <= certificate.notAfter, IntelCertificateExpired(certificate.notAfter, block.timestamp));
        (record.x, record.y) = (certificate.x, certificate.y);
        record.notAfter = uint48(certificate.notAfter);
        _authorities[id] = record;
        emit IntelCertificateRecorded(id, record.role, record.notAfter);
    }

    function upsertCrl(bytes calldata der) external returns (bytes32 id) {
        (Crl.List memory list, bytes32 digest, uint256 r, uint256 s) = STATEMENTS.readCrl(der);
        id = list.authority;
        IntelAuthority memory record = _authorities[id];
        uint8 role = record.role;
        require(role == ROLE_ROOT || role == ROLE_ISSUER, IntelUnknownAuthority(id, role, ROLE_ISSUER));
        if (role == ROLE_ISSUER) _requireLive(id, record, ROLE_ISSUER);
        _verify(digest, r, s, record);
        require(list.issued > record.crlIssued, IntelNotNewer(list.issued, 0, record.crlIssued, 0));
        _requireTime("crl", list.issued, list.until);

        uint256 news;
        for (uint256 i = 0; i < list.serials.length; ++i) {
            bytes32 certificate = _revocation(id, list.serials[i]);
            if (!_revoked[certificate]) {
                _revoked[certificate] = true;
                ++news;
            }
        }
        // Everything below the root is older now, and has to be compared with the list before it serves again.
        if (role == ROLE_ROOT && news != 0) ++record.epoch;
        (record.crlIssued, record.crlUntil) = (uint48(list.issued), uint48(list.until));
        _authorities[id] = record;
        emit IntelCrlRecorded(id, record.crlIssued, record.crlUntil, news);
    }

    function upsertTcbInfo(bytes calldata json, bytes calldata signature, bytes32 signer) external {
        uint256 signerEnd = _verifyStatement(json, signature, signer);
        (uint256 teeType, Statement.Tcb memory tcb) = STATEMENTS.readTcb(json);
        _requireTime("tcbInfo", tcb.issued, tcb.until);
        Appraisal.TcbRecord storage record = _tcb[Appraisal.key(teeType, tcb.fmspc, tcb.pceId)];
        IntelStatement memory head =
            _advance(record.head, tcb.issued, tcb.until < signerEnd ? tcb.until : signerEnd, tcb.evaluation, tcb.levels);
        Appraisal.store(record, head, tcb);
        emit IntelTcbInfoRecorded(uint8(teeType), tcb.fmspc, tcb.pceId, head.issued, head.until, head.evaluation);
    }

    function upsertQeIdentity(bytes calldata json, bytes calldata signature, bytes32 signer) external {
        uint256 signerEnd = _verifyStatement(json, signature, signer);
        (uint256 teeType, Statement.Qe memory qe) = STATEMENTS.readQe(json);
        _requireTime("qeIdentity", qe.issued, qe.until);
        Appraisal.QeRecord storage record = _qe[teeType];
        IntelStatement memory head =
            _advance(record.head, qe.issued, qe.until < signerEnd ? qe.until : signerEnd, qe.evaluation, qe.levels);
        Appraisal.store(record, head, qe);
        emit IntelQeIdentityRecorded(uint8(teeType), head.issued, head.until, head.evaluation);
    }

    function appraise(Platform calldata platform)
        external
        view
        returns (uint256 x, uint256 y, TcbStatus status, uint256 validUntil)
    {
        IntelAuthority storage root = _authorities[rootId];
        uint32 epoch = root.epoch;
        validUntil = _min(root.notAfter, _live("rootCrl", root.crlUntil));
        bytes32 id = platform.authority;
        IntelAuthority memory issuer = _authorities[id];
        require(issuer.role == ROLE_ISSUER, IntelUnknownAuthority(id, issuer.role, ROLE_ISSUER));
        require(issuer.epoch == epoch, IntelStale("authority", issuer.epoch, epoch));
        validUntil = _min(validUntil, _min(issuer.notAfter, _live("pckCrl", issuer.crlUntil)));
        require(!_revoked[_revocation(id, platform.serial)], IntelRevoked(id, platform.serial));
        (x, y) = (issuer.x, issuer.y);

        uint256 worst;
        uint256 until;
        (worst, until) = Appraisal.platform(_tcb, platform, epoch);
        validUntil = _min(validUntil, until);
        uint256 qe;
        (qe, until) = Appraisal.quotingEnclave(_qe[platform.teeType], platform, epoch);
        validUntil = _min(validUntil, until);
        worst = Statement.converge(worst, qe);
        require(worst != uint256(TcbStatus.Revoked), IntelTcbRevoked());
        require(block.timestamp <= validUntil, IntelCertificateExpired(validUntil, block.timestamp));
        status = TcbStatus(worst);
    }

    function authority(bytes32 id) external view returns (IntelAuthority memory) {
        return _authorities[id];
    }

    function isRevoked(bytes32 authority_, uint256 serial) external view returns (bool) {
        return _revoked[_revocation(authority_, serial)];
    }

    function tcbInfo(uint8 teeType, bytes6 fmspc, bytes2 pceId) external view returns (IntelStatement memory) {
        return _tcb[Appraisal.key(teeType, fmspc, pceId)].head;
    }

    function qeIdentity(uint8 teeType) external view returns (IntelStatement memory) {
        return _qe[teeType].head;
    }

    /// Issuers of PCK certificates are authorities, the signer is none; both carry the names that Intel's profile gives them.
    function _role(X509P256.Certificate memory certificate, uint256 tbs) private pure returns (uint8) {
        bytes32 name = IntelNames.common(certificate.subject, certificate.subjectEnd);
        require(certificate.subjectKey != 0, IntelRole(tbs));
        if (name == IntelNames.TCB_SIGNING) {
            X509P256.requireLeaf(certificate, tbs);
            return ROLE_SIGNER;
        }
        require(name == IntelNames.PLATFORM_CA || name == IntelNames.PROCESSOR_CA, IntelRole(tbs));
        X509P256.requireAuthority(certificate, tbs);
        return ROLE_ISSUER;
    }

    /// Returns when the signing certificate ends.
    function _verifyStatement(bytes calldata json, bytes calldata signature, bytes32 signer)
        private
        view
        returns (uint256)
    {
        require(signature.length == 64, IntelSignatureLength(signature.length));
        IntelAuthority memory record = _authorities[signer];
        _requireLive(signer, record, ROLE_SIGNER);
        _verify(sha256(json), uint256(bytes32(signature[:32])), uint256(bytes32(signature[32:])), record);
        return record.notAfter;
    }

    function _requireLive(bytes32 id, IntelAuthority memory record, uint8 role) private view {
        require(record.role == role, IntelUnknownAuthority(id, record.role, role));
        uint32 epoch = _authorities[rootId].epoch;
        require(record.epoch == epoch, IntelStale("authority", record.epoch, epoch));
        require(block.timestamp <= record.notAfter, IntelCertificateExpired(record.notAfter, block.timestamp));
    }

    function _verify(bytes32 digest, uint256 r, uint256 s, IntelAuthority memory signer) private view {
        require(P256.verify(digest, r, s, signer.x, signer.y, NATIVE), IntelSignature());
    }

    /// The head of a newer statement. The same one may come again after a revocation, which makes older records stale.
    function _advance(IntelStatement memory head, uint256 issued, uint256 until, uint256 evaluation, uint256 levels)
        private
        view
        returns (IntelStatement memory)
    {
        uint32 epoch = _authorities[rootId].epoch;
        bool newer = issued > head.issued || evaluation > head.evaluation || epoch > head.epoch;
        require(
            issued >= head.issued && evaluation >= head.evaluation && newer,
            IntelNotNewer(issued, evaluation, head.issued, head.evaluation)
        );
        return IntelStatement(uint48(issued), uint48(until), uint32(evaluation), epoch, uint8(levels));
    }

    function _requireTime(bytes32 what, uint256 issued, uint256 until) private view {
        require(block.timestamp >= issued, IntelNotYetValid(issued, block.timestamp));
        _live(what, until);
    }

    function _live(bytes32 what, uint256 until) private view returns (uint256) {
        require(block.timestamp <= until, IntelCollateralExpired(what, until, block.timestamp));
        return until;
    }

    function _revocation(bytes32 authority_, uint256 serial) private pure returns (bytes32) {
        return keccak256(abi.encode(authority_, serial));
    }

    function _min(uint256 a, uint256 b) private pure returns (uint256) {
        return a < b ? a : b;
    }
}
