//! Links XGBoost's shared library from the folder named by `XGBOOST_LIB_DIR`, which `.cargo/config.toml` sets.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=XGBOOST_LIB_DIR");
    match std::env::var("XGBOOST_LIB_DIR") {
        Ok(folder) => println!("cargo:rustc-link-search=native={folder}"),
        Err(_) => {
            println!(
                "cargo:warning=XGBOOST_LIB_DIR is not set: the linker searches for libxgboost in its default folders"
            )
        }
    }
    println!("cargo:rustc-link-lib=dylib=xgboost");
}
