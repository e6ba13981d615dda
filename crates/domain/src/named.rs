//! Enums whose members have a name in rows and answers.

/// Makes an enum with `name` and `from_name`.
macro_rules! named {
    ($(#[$meta:meta])* $enum:ident { $($(#[$member_meta:meta])* $member:ident = $name:literal),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $enum { $($(#[$member_meta])* $member),* }

        impl $enum {
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$member => $name),* }
            }

            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$member),)* _ => None }
            }
        }
    };
}

pub(crate) use named;
