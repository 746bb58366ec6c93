// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Attestation} from "../interfaces/IAttestationVerifier.sol";
import {IIntelCollateral, Platform, TcbStatus} from "../interfaces/IIntelCollateral.sol";
import {ITdxVerifier} from "../interfaces/ITdxVerifier.sol";
import {P256} from "./P256.sol";
import {X509P256} from "./der/X509P256.sol";
import {Pck} from "./intel/Pck.sol";
import {Quote} from "./intel/Quote.sol";

/// @title Verifier of Intel quotes
/// @dev The manual is ITdxVerifier. Offsets are those of Intel's structures: sgx_report_body_t (SGX report and QE report),
/// TDREPORT as quotes carry it (TD 1.0 and 1.5).
contract TdxVerifier is ITdxVerifier {
    uint8 private constant TEE_TDX = 2;
    uint8 private constant TEE_SGX = 3;

    // SGX report.
    uint256 private constant MISC_SELECT = 16;
    uint256 private constant EXT_PRODUCT = 32;
    uint256 private constant ATTRIBUTES = 48;
    uint256 private constant MR_SIGNER = 128;
    uint256 private constant CONFIG_ID = 192;
    uint256 private constant PRODUCT = 256;
    uint256 private constant SVN = 258;
    uint256 private constant CONFIG_SVN_END = 262;
    uint256 private constant FAMILY = 304;
    uint256 private constant SGX_REPORT_DATA = 320;
    uint256 private constant SGX_DEBUG = 2;

    // TD report.
    uint256 private constant SEAM_SIGNER = 64;
    uint256 private constant TD_ATTRIBUTES = 120;
    uint256 private constant MR_TD = 136;
    uint256 private constant MR_CONFIG = 184;
    uint256 private constant RTMRS = 328;
    uint256 private constant TD_REPORT_DATA = 520;
    uint256 private constant SERVICE_TD = 600;

    bytes32 public constant CLAIMS_TYPEHASH =
        keccak256("OpenGradientAttestationClaims(bytes32 publicKeyHash,bytes32 userDataHash,bytes32 nonceHash)");

    IIntelCollateral private immutable _collateral;
    bool public immutable NATIVE;

    constructor(IIntelCollateral collateral) {
        _collateral = collateral;
        NATIVE = P256.isNative();
    }

    function verify(bytes calldata evidence, bytes calldata hints) external view returns (Attestation memory attestation) {
        require(hints.length == 0, TdxHints(hints.length));
        Quote.Parts memory parts = Quote.split(evidence);

        // From the attestation key upwards: quote, key, quoting enclave, PCK.
        uint256 key = parts.key;
        require(
            _signed(parts.header, parts.bodyEnd, parts.signature, _word(key), _word(key + 32)), TdxQuoteSignature()
        );
        _quotingEnclave(parts);
        X509P256.Certificate memory pck = _pck(parts);
        require(_signed(parts.qe, parts.qeSignature, parts.qeSignature, pck.x, pck.y), TdxQeSignature());

        _appraise(attestation, parts, pck);
        if (parts.tdx) _trustDomain(attestation, parts);
        else _enclave(attestation, parts);
        _claims(attestation, parts, parts.body + (parts.tdx ? TD_REPORT_DATA : SGX_REPORT_DATA));
    }

    function COLLATERAL() external view returns (address) {
        return address(_collateral);
    }

    /// What the QE's report vouches for: the hash of key and authentication data, in the first half of its own report data.
    function _quotingEnclave(Quote.Parts memory parts) private pure {
        bytes32 bound = sha256(bytes.concat(msg.data[parts.key:parts.qe], msg.data[parts.auth:parts.authEnd]));
        uint256 reportData = parts.qe + SGX_REPORT_DATA;
        require(_word(reportData) == uint256(bound) && _word(reportData + 32) == 0, TdxAttestationKey());
        require(_word(parts.qe + ATTRIBUTES) >> 248 & SGX_DEBUG == 0, TdxQeDebug());
    }

    /// The leaf: form, role and time. Its signature is checked against the authority that the collateral names.
    function _pck(Quote.Parts memory parts) private view returns (X509P256.Certificate memory pck) {
        uint256 tbs = parts.authEnd;
        pck = X509P256.parse(tbs, parts.pckEnd, Pck.EXTENSION);
        X509P256.requireLeaf(pck, tbs);
        require(pck.specialEnd != 0, TdxNoSgxExtension());
        require(block.timestamp >= pck.notBefore, TdxPckNotYetValid(pck.notBefore, block.timestamp));
        require(block.timestamp <= pck.notAfter, TdxPckExpired(pck.notAfter, block.timestamp));
    }

    function _appraise(Attestation memory attestation, Quote.Parts memory parts, X509P256.Certificate memory pck) private view {
        Pck.Facts memory facts = Pck.parse(pck.special, pck.specialEnd);
        Platform memory platform;
        platform.authority = pck.authorityKey;
        platform.serial = pck.serial;
        platform.teeType = parts.tdx ? TEE_TDX : TEE_SGX;
        (platform.fmspc, platform.pceId) = (facts.fmspc, facts.pceId);
        platform.cpuSvn = bytes16(bytes32(facts.cpuSvn));
        platform.pceSvn = uint16(facts.pceSvn);
        if (parts.tdx) platform.teeTcbSvn = bytes16(Quote.load(parts.body));
        uint256 qe = parts.qe;
        platform.qeSigner = Quote.load(qe + MR_SIGNER);
        platform.qeAttributes = bytes16(Quote.load(qe + ATTRIBUTES));
        platform.qeMiscSelect = bytes4(Quote.load(qe + MISC_SELECT));
        platform.qeProduct = uint16(Quote.little(qe + PRODUCT, 2));
        platform.qeSvn = uint16(Quote.little(qe + SVN, 2));

        (uint256 x, uint256 y, TcbStatus status, uint256 validUntil) = _collateral.appraise(platform);
        require(_signed(parts.authEnd, parts.pckEnd, parts.pckEnd, x, y), TdxPckSignature());
        attestation.deviceId = keccak256(abi.encodePacked(pck.serial, facts.fmspc));
        attestation.validUntil = uint64(validUntil < pck.notAfter ? validUntil : pck.notAfter);
        attestation.teeType = platform.teeType;
        attestation.tcbStatus = uint8(status);
    }

    function _trustDomain(Attestation memory attestation, Quote.Parts memory parts) private pure {
        uint256 body = parts.body;
        // MRSIGNERSEAM, 48 bytes, and SEAMATTRIBUTES, 8: Intel's own module, in production.
        require(_word(body + SEAM_SIGNER) == 0 && _word(body + SEAM_SIGNER + 24) == 0, TdxModule());
        bytes memory image = bytes.concat(
            msg.data[body + MR_TD:body + MR_CONFIG],
            msg.data[body + RTMRS:body + TD_REPORT_DATA],
            msg.data[body + TD_ATTRIBUTES:body + MR_TD],
            msg.data[body + MR_CONFIG:body + RTMRS]
        );
        if (parts.bodyEnd - body == Quote.TD_15) {
            bytes calldata service = msg.data[body + SERVICE_TD:body + Quote.TD_15];
            if (keccak256(service) != keccak256(new bytes(48))) image = bytes.concat(image, service);
        }
        attestation.imageId = keccak256(image);
        attestation.debug = _word(body + TD_ATTRIBUTES) >> 248 != 0;
    }

    function _enclave(Attestation memory attestation, Quote.Parts memory parts) private pure {
        uint256 body = parts.body;
        attestation.imageId = keccak256(
            bytes.concat(
                msg.data[body + MISC_SELECT:body + MISC_SELECT + 4],
                msg.data[body + EXT_PRODUCT:body + ATTRIBUTES + 48],
                msg.data[body + MR_SIGNER:body + MR_SIGNER + 32],
                msg.data[body + CONFIG_ID:body + CONFIG_SVN_END],
                msg.data[body + FAMILY:body + SGX_REPORT_DATA]
            )
        );
        attestation.debug = _word(body + ATTRIBUTES) >> 248 & SGX_DEBUG != 0;
    }

    function _claims(Attestation memory attestation, Quote.Parts memory parts, uint256 reportData) private pure {
        if (parts.claims == 0) {
            attestation.userDataHash = keccak256(msg.data[reportData:reportData + 64]);
            return;
        }
        bytes calldata claims = msg.data[parts.claims:parts.claims + 96];
        bytes32 bound = keccak256(bytes.concat(CLAIMS_TYPEHASH, claims));
        bytes32 found = Quote.load(reportData);
        require(found == bound && _word(reportData + 32) == 0, TdxClaims(found, bound));
        attestation.publicKeyHash = bytes32(claims[:32]);
        attestation.userDataHash = bytes32(claims[32:64]);
        attestation.nonceHash = bytes32(claims[64:]);
    }

    function _signed(uint256 start, uint256 stop, uint256 signature, uint256 x, uint256 y) private view returns (bool) {
        return P256.verify(sha256(msg.data[start:stop]), _word(signature), _word(signature + 32), x, y, NATIVE);
    }

    function _word(uint256 position) private pure returns (uint256) {
        return uint256(Quote.load(position));
    }
}
