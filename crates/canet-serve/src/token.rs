//! The token: what a client shows to be served.

use std::fmt;

use subtle::ConstantTimeEq as _;

use crate::{Error, Result};

/// A secret of visible ASCII characters. It never shows in a message or a log.
///
/// ```
/// let token = canet_serve::Token::new("a-secret-of-some-length")?;
/// assert_eq!(format!("{token:?}"), "Token(..)");
/// # Ok::<(), canet_serve::Error>(())
/// ```
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// The fewest characters; a good secret is longer and was drawn.
    pub const LEAST: usize = 8;
    /// The most.
    pub const MOST: usize = 512;

    /// Takes a secret, without the spaces and line ends around it.
    pub fn new(secret: &str) -> Result<Self> {
        let fail = |reason| Err(Error::Setting { option: "token", reason });
        let secret = secret.trim();
        if !(Self::LEAST..=Self::MOST).contains(&secret.len()) {
            let (length, least, most) = (secret.len(), Self::LEAST, Self::MOST);
            return fail(format!("has {length} characters; {least} to {most} are possible"));
        }
        if !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
            return fail("may only have visible ASCII characters, and no spaces within".into());
        }
        Ok(Self(secret.to_owned()))
    }

    /// Whether an `Authorization` header shows the token. How long that takes tells its length at
    /// most.
    pub(crate) fn is_shown_by(&self, header: &[u8]) -> bool {
        const SCHEME: &[u8] = b"bearer ";
        let Some((scheme, shown)) = header.split_at_checked(SCHEME.len()) else { return false };
        scheme.eq_ignore_ascii_case(SCHEME)
            && bool::from(shown.trim_ascii().ct_eq(self.0.as_bytes()))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_token_opens() {
        let token = Token::new(" s3cret-token\n").unwrap();
        for (header, opens) in [
            ("Bearer s3cret-token", true),
            ("bearer  s3cret-token", true),
            ("Bearer s3cret-tokem", false),
            ("Bearer s3cret-toke", false),
            ("Bearer s3cret-token2", false),
            ("Basic s3cret-token", false),
            ("Bearer", false),
            ("Bearer ", false),
            ("s3cret-token", false),
            ("", false),
        ] {
            assert_eq!(token.is_shown_by(header.as_bytes()), opens, "{header}");
        }
    }

    #[test]
    fn weak_and_odd_secrets_are_refused_and_not_repeated() {
        for secret in ["", "  \n", "short", "with space inside", "non-ascii-\u{e9}", "a\0bcdefghi"]
        {
            let error = Token::new(secret).unwrap_err().to_string();
            assert!(error.starts_with("token: "), "{error}");
            assert!(secret.trim().is_empty() || !error.contains(secret.trim()), "{error}");
        }
        assert!(Token::new(&"x".repeat(Token::MOST + 1)).is_err());
    }
}
