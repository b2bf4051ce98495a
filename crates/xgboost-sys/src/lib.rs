//! Declarations of XGBoost's C interface, made once by `bindings.sh`. The crate `xgb` stands on them.
#![allow(non_upper_case_globals, non_camel_case_types, non_snake_case)]

mod bindings;
pub use bindings::*;
