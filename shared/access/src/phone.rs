use std::fmt;

use phonenumber::{Mode, Type, country, metadata::DATABASE};

/// Longest text that is looked at: what people write around fifteen digits.
const TYPED_BYTES_MAX: usize = 40;
/// What of a number is shown.
const SHOWN_DIGITS: usize = 3;

/// A mobile number, which gets codes. `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct Phone {
    e164: String,
    country: String,
}

/// Why a number gets no codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PhoneError {
    /// No number that there could be.
    #[error("not a phone number")]
    Malformed,
    /// A fixed line, or one that costs whoever writes to it.
    #[error("not a mobile number")]
    NotMobile,
}

impl Phone {
    /// Reads what a person typed: with the country's number, or as one writes it within the country `home` (ISO 3166-1).
    ///
    /// Numbers of one calling code have several countries (`+1` has twenty-five), and those where texts are dear are among them: the country is the one of
    /// the number's own plan.
    pub fn parse(typed: &str, home: Option<&str>) -> Result<Self, PhoneError> {
        if typed.len() > TYPED_BYTES_MAX {
            return Err(PhoneError::Malformed);
        }
        let home: Option<country::Id> = home.and_then(|home| home.parse().ok());
        // `00` instead of the plus is written nearly everywhere, but means nothing without a country.
        let typed = typed.trim();
        let international = typed.strip_prefix("00").map(|rest| format!("+{rest}"));
        let number = phonenumber::parse(home, international.as_deref().unwrap_or(typed))
            .map_err(|_| PhoneError::Malformed)?;
        let country = number.country().id().filter(|_| number.is_valid()).ok_or(PhoneError::Malformed)?;
        if number.extension().is_some() {
            return Err(PhoneError::Malformed);
        }
        if !matches!(number.number_type(&DATABASE), Type::Mobile | Type::FixedLineOrMobile) {
            return Err(PhoneError::NotMobile);
        }
        let e164 = number.format().mode(Mode::E164).to_string();
        Ok(Self { e164, country: country.as_ref().to_owned() })
    }

    /// `+` and at most fifteen digits.
    pub fn e164(&self) -> &str {
        &self.e164
    }

    /// ISO 3166-1, two letters.
    pub fn country(&self) -> &str {
        &self.country
    }

    /// Its last three digits: enough for its owner to know it.
    pub fn ends(&self) -> &str {
        self.e164.len().checked_sub(SHOWN_DIGITS).and_then(|at| self.e164.get(at..)).unwrap_or_default()
    }
}

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Phone(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_with_their_country() {
        for (typed, home, expected) in [
            ("+49 1512 3456789", None, Ok(("+4915123456789", "DE"))),
            ("0049 (1512) 345-6789", None, Ok(("+4915123456789", "DE"))),
            ("01512 3456789", Some("DE"), Ok(("+4915123456789", "DE"))),
            ("0664 1234567", Some("AT"), Ok(("+436641234567", "AT"))),
            ("+41 78 123 45 67", Some("DE"), Ok(("+41781234567", "CH"))),
            // One calling code, several countries.
            ("+1 201 555 0123", None, Ok(("+12015550123", "US"))),
            ("+1 506 234 5678", None, Ok(("+15062345678", "CA"))),
            ("+1 876 210 1234", None, Ok(("+18762101234", "JM"))),
            ("+7 701 234 5678", None, Ok(("+77012345678", "KZ"))),
            ("+44 7797 712345", None, Ok(("+447797712345", "JE"))),
            // A fixed line, a premium number, a free one.
            ("+49 30 123456", None, Err(PhoneError::NotMobile)),
            ("+49 900 1234567", None, Err(PhoneError::NotMobile)),
            ("+49 800 1234567", None, Err(PhoneError::NotMobile)),
            ("01512 3456789", None, Err(PhoneError::Malformed)),
            ("+49 1512", None, Err(PhoneError::Malformed)),
            ("+999 123456789", None, Err(PhoneError::Malformed)),
            ("", Some("DE"), Err(PhoneError::Malformed)),
            ("call me", Some("DE"), Err(PhoneError::Malformed)),
            (&"1".repeat(50), Some("DE"), Err(PhoneError::Malformed)),
        ] {
            let found = Phone::parse(typed, home);
            let found = found.as_ref().map(|phone| (phone.e164(), phone.country())).map_err(|error| *error);
            assert_eq!(found, expected, "{typed} {home:?}");
        }
    }

    #[test]
    fn three_digits_are_shown() {
        let phone = Phone::parse("+4915123456789", None).unwrap();
        assert_eq!((phone.ends(), format!("{phone:?}").as_str()), ("789", "Phone(..)"));
    }
}
