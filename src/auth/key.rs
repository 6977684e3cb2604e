//! Keys that verify signatures. A key is for one algorithm, whatever a token says.

use aws_lc_rs::{
    encoding::{AsDer, PublicKeyX509Der},
    hmac,
    rsa::PublicEncryptingKey,
    signature::{self, ParsedPublicKey, RsaPublicKeyComponents, RsaSubjectPublicKey, VerificationAlgorithm},
};
use jsonwebtoken::DecodingKey;
use serde::Deserialize;

/// Least bytes of a shared secret.
const MIN_SECRET: usize = 32;

/// Signature algorithms, as tokens and the configuration name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Default)]
#[serde(try_from = "String")]
pub enum Algorithm {
    /// A shared secret.
    #[default]
    HS256,
    /// RSA of 2048 to 8192 bits.
    RS256,
    /// P-256.
    ES256,
    /// Ed25519.
    EdDSA,
}

impl Algorithm {
    /// The algorithm that a token or a key calls so. `None`, too, for `none`.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "HS256" => Some(Self::HS256),
            "RS256" => Some(Self::RS256),
            "ES256" => Some(Self::ES256),
            // RFC 9864 gives it the second name.
            "EdDSA" | "Ed25519" => Some(Self::EdDSA),
            _ => None,
        }
    }
}

impl TryFrom<String> for Algorithm {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        Self::named(&name).ok_or_else(|| "it must be one of HS256, RS256, ES256, EdDSA".to_owned())
    }
}

/// A key that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    /// A shared secret that can be guessed.
    #[error("a shared secret has at least {MIN_SECRET} bytes")]
    Short,
    /// Not a PEM public key for the algorithm.
    #[error("not a PEM public key for {0:?}")]
    Pem(Algorithm),
    /// Its numbers are no key of the algorithm.
    #[error("not a public key for {0:?}")]
    Numbers(Algorithm),
    /// An RSA key that can be factored, or that is so large that using it takes too long.
    #[error("an RSA key has 2048 to 8192 bits")]
    Size,
    /// A shared secret has no public half.
    #[error("HS256 has no public key")]
    Symmetric,
}

/// A key for signatures of one algorithm.
pub struct Key {
    algorithm: Algorithm,
    kind: Kind,
}

enum Kind {
    Secret(Box<hmac::Key>),
    Public(ParsedPublicKey),
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

impl Key {
    /// The shared secret of HS256.
    pub fn secret(secret: &[u8]) -> Result<Self, BadKey> {
        if secret.len() < MIN_SECRET {
            return Err(BadKey::Short);
        }
        Ok(Self {
            algorithm: Algorithm::HS256,
            kind: Kind::Secret(Box::new(hmac::Key::new(hmac::HMAC_SHA256, secret))),
        })
    }

    /// A public key as PEM.
    pub fn pem(algorithm: Algorithm, pem: &[u8]) -> Result<Self, BadKey> {
        let read = match algorithm {
            Algorithm::HS256 => return Err(BadKey::Symmetric),
            Algorithm::RS256 => DecodingKey::from_rsa_pem(pem),
            Algorithm::ES256 => DecodingKey::from_ec_pem(pem),
            Algorithm::EdDSA => DecodingKey::from_ed_pem(pem),
        };
        let read = read.map_err(|_| BadKey::Pem(algorithm))?;
        let bytes = read.try_get_as_bytes().map_err(|_| BadKey::Pem(algorithm))?;
        Self::public(algorithm, bytes).map_err(|error| match error {
            BadKey::Numbers(algorithm) => BadKey::Pem(algorithm),
            other => other,
        })
    }

    /// An RSA key by its modulus and exponent, big-endian.
    pub(super) fn rsa<'a>(n: &'a [u8], e: &'a [u8]) -> Result<Self, BadKey> {
        let significant = |number: &'a [u8]| {
            let start = number.iter().position(|byte| *byte != 0).unwrap_or(number.len());
            &number[start..]
        };
        let key = RsaPublicKeyComponents { n: significant(n), e: significant(e) };
        let der: PublicKeyX509Der<'_> = key.as_der().map_err(|_| BadKey::Numbers(Algorithm::RS256))?;
        Self::public(Algorithm::RS256, der.as_ref())
    }

    /// A point of P-256.
    pub(super) fn p256(x: &[u8], y: &[u8]) -> Result<Self, BadKey> {
        if (x.len(), y.len()) != (32, 32) {
            return Err(BadKey::Numbers(Algorithm::ES256));
        }
        Self::public(Algorithm::ES256, &[&[4], x, y].concat())
    }

    /// A point of Ed25519.
    pub(super) fn ed25519(x: &[u8]) -> Result<Self, BadKey> {
        if x.len() != 32 {
            return Err(BadKey::Numbers(Algorithm::EdDSA));
        }
        Self::public(Algorithm::EdDSA, x)
    }

    fn public(algorithm: Algorithm, bytes: &[u8]) -> Result<Self, BadKey> {
        let verifying: &'static dyn VerificationAlgorithm = match algorithm {
            Algorithm::HS256 => return Err(BadKey::Symmetric),
            Algorithm::RS256 => {
                sized(bytes)?;
                &signature::RSA_PKCS1_2048_8192_SHA256
            }
            Algorithm::ES256 => &signature::ECDSA_P256_SHA256_FIXED,
            Algorithm::EdDSA => &signature::ED25519,
        };
        let parsed = ParsedPublicKey::new(verifying, bytes).map_err(|_| BadKey::Numbers(algorithm))?;
        Ok(Self { algorithm, kind: Kind::Public(parsed) })
    }

    /// What it was made of.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> &[u8] {
        match &self.kind {
            Kind::Secret(_) => &[],
            Kind::Public(key) => key.as_ref(),
        }
    }

    /// The only algorithm of signatures that it verifies.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whether the signature of `message` is this key's.
    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.kind {
            Kind::Secret(key) => hmac::verify(key, message, signature).is_ok(),
            Kind::Public(key) => key.verify_sig(message, signature).is_ok(),
        }
    }
}

/// The size of an RSA key, in either form of DER, is otherwise looked at only where it is used: too late to say so.
fn sized(der: &[u8]) -> Result<(), BadKey> {
    let key = RsaSubjectPublicKey::from_der(der).map_err(|_| BadKey::Numbers(Algorithm::RS256))?;
    let der: PublicKeyX509Der<'_> = key.as_der().map_err(|_| BadKey::Numbers(Algorithm::RS256))?;
    PublicEncryptingKey::from_der(der.as_ref()).map(drop).map_err(|_| BadKey::Size)
}
