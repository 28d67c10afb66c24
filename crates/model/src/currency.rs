//! The currencies that money can be in: ISO 4217, upper case.
//!
//! Codes that were retired in recent years are among them, because histories are read again.

use std::fmt;

/// A currency of ISO 4217.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

impl Currency {
    /// The currency of a code. `None` when ISO 4217 has no such code; codes are upper case.
    #[must_use]
    pub fn of(code: &str) -> Option<Currency> {
        let code: [u8; 3] = code.as_bytes().try_into().ok()?;
        CODES
            .as_bytes()
            .chunks(4)
            .any(|known| known.starts_with(&code))
            .then_some(Currency(code))
    }

    /// Every code, the retired ones last.
    pub fn codes() -> impl Iterator<Item = &'static str> {
        CODES.split_ascii_whitespace()
    }

    /// How many decimal digits its minor unit has: 2 for cents, 0 for yen.
    ///
    /// By ISO 4217, also where a payment system counts in other units.
    #[must_use]
    pub fn minor_digits(&self) -> u32 {
        match &self.0 {
            b"BIF" | b"BYR" | b"CLP" | b"DJF" | b"GNF" | b"ISK" | b"JPY" | b"KMF" | b"KRW"
            | b"PYG" | b"RWF" | b"UGX" | b"UYI" | b"VND" | b"VUV" | b"XAF" | b"XOF" | b"XPF" => 0,
            b"BHD" | b"IQD" | b"JOD" | b"KWD" | b"LYD" | b"OMR" | b"TND" => 3,
            b"CLF" | b"UYW" => 4,
            _ => 2,
        }
    }

    /// Its code.
    #[must_use]
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.0)
            .expect("only codes of the list, which are ASCII, become a Currency")
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// One code in four bytes. The last line: retired since 2015.
const CODES: &str = "\
AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BOV BRL BSD BTN BWP BYN BZD \
CAD CDF CHE CHF CHW CLF CLP CNY COP COU CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP \
GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR \
KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN \
MXV MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD \
SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX \
USD USN UYI UYU UYW UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG \
ANG BGN BYR CUC HRK MRO SLL STD VEF ZWL ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minor_units_have_two_digits_but_for_a_few_currencies() {
        for (code, digits) in [("USD", 2), ("JPY", 0), ("KWD", 3), ("CLF", 4), ("MRU", 2)] {
            assert_eq!(
                Currency::of(code).map(|c| c.minor_digits()),
                Some(digits),
                "{code}"
            );
        }
    }

    #[test]
    fn codes_are_known_in_upper_case_only() {
        for code in ["USD", "EUR", "JPY", "AED", "ZWG", "HRK"] {
            assert_eq!(
                Currency::of(code).map(|c| c.to_string()),
                Some(code.to_owned())
            );
        }
        for text in ["usd", "XXX", "US", "USD ", "", "SD ", "D A", "ÉU"] {
            assert_eq!(Currency::of(text), None, "{text}");
        }
    }
}
