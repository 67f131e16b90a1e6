//! Hands AWS-LC's headers on to who compiles against libcrypto, with the few calls added that SQLCipher makes and AWS-LC
//! has under another name.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=include/evp_mac.h");
    // AWS-LC writes its version into the variable's name.
    let from = env::vars_os().find_map(|(name, value)| {
        let name = name.to_str()?;
        (name.starts_with("DEP_AWS_LC_") && name.ends_with("_INCLUDE")).then(|| PathBuf::from(value))
    });
    let (Some(from), Some(out)) = (from, env::var_os("OUT_DIR")) else {
        return Err(io::Error::other("AWS-LC does not say where its headers are"));
    };
    let to = Path::new(&out).join("include");
    copy(&from, &to)?;
    let hmac = to.join("openssl").join("hmac.h");
    let mut text = fs::read_to_string(&hmac)?;
    text.push_str(&fs::read_to_string("include/evp_mac.h")?);
    fs::write(&hmac, text)?;
    println!("cargo::metadata=include={}", to.display());
    Ok(())
}

/// Copies a folder with all that is in it. What lies there of an earlier build is replaced.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            // The source may be read-only, and a copy of it could not be replaced.
            fs::write(target, fs::read(entry.path())?)?;
        }
    }
    Ok(())
}
