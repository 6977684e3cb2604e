//! Settings that are one of a few words.

/// Reads an enumeration from its words. Another word is refused with a list of those that there are.
macro_rules! choice {
    ($type:ident { $($word:literal => $variant:ident),+ }) => {
        impl TryFrom<String> for $type {
            type Error = String;

            fn try_from(word: String) -> Result<Self, String> {
                match word.as_str() {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(format!("it must be one of {}", [$($word),+].join(", "))),
                }
            }
        }
    };
}

pub(super) use choice;
