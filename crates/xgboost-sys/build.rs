//! Links the shared library of XGBoost out of the folder that `XGBOOST_LIB_DIR` names (`.cargo/config.toml` sets it).

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=XGBOOST_LIB_DIR");
    match std::env::var("XGBOOST_LIB_DIR") {
        Ok(folder) => println!("cargo:rustc-link-search=native={folder}"),
        Err(_) => {
            println!("cargo:warning=XGBOOST_LIB_DIR is not set: the linker looks for libxgboost in its own folders")
        }
    }
    println!("cargo:rustc-link-lib=dylib=xgboost");
}
