//! Small filesystems of our own: a tmpfs that fills up, and a disk in a file that loses its
//! power. Both need root; anyone who asks without it learns why not.

use crate::node::Trouble;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// A mounted filesystem, unmounted when dropped.
#[derive(Debug)]
pub struct Mount {
    /// Where it is mounted.
    path: PathBuf,
    /// The image behind it, if it is a disk.
    image: Option<PathBuf>,
    is_mounted: bool,
    /// Holds image and mount point.
    _home: TempDir,
}

fn tool(program: &str, arguments: &[&str]) -> Result<Output, Trouble> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() { Ok(output) } else { Err(format!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim())) }
}

fn text(path: &Path) -> Result<&str, Trouble> {
    path.to_str().ok_or_else(|| "a path that is no text".to_owned())
}

fn place() -> Result<(TempDir, PathBuf), Trouble> {
    let home = tempfile::tempdir().map_err(|error| error.to_string())?;
    let path = home.path().join("mount");
    std::fs::create_dir(&path).map_err(|error| error.to_string())?;
    Ok((home, path))
}

impl Mount {
    /// A filesystem in memory with so many bytes.
    ///
    /// # Errors
    /// Without root, or where mounting is not allowed.
    pub fn memory(bytes: u64) -> Result<Self, Trouble> {
        let (home, path) = place()?;
        tool("mount", &["-t", "tmpfs", "-o", &format!("size={bytes},mode=700"), "tmpfs", text(&path)?])?;
        Ok(Self { path, image: None, is_mounted: true, _home: home })
    }

    /// An ext4 disk in a file with so many bytes.
    ///
    /// # Errors
    /// Without root or the tools, or where mounting is not allowed.
    pub fn disk(bytes: u64) -> Result<Self, Trouble> {
        let (home, path) = place()?;
        let image = home.path().join("disk.img");
        File::create(&image).and_then(|file| file.set_len(bytes)).map_err(|error| error.to_string())?;
        tool("mkfs.ext4", &["-q", "-F", text(&image)?])?;
        let mut disk = Self { path, image: Some(image), is_mounted: false, _home: home };
        disk.mount()?;
        Ok(disk)
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn mount(&mut self) -> Result<(), Trouble> {
        if let Some(image) = &self.image {
            tool("mount", &["-o", "loop", text(image)?, text(&self.path)?])?;
            self.is_mounted = true;
        }
        Ok(())
    }

    /// Shuts the filesystem down as it is: nothing more is written, not even its journal
    /// (`FS_IOC_SHUTDOWN` without log flush).
    ///
    /// # Errors
    /// Where neither `xfs_io` nor `python3` can ask for it.
    pub fn cut_power(&self) -> Result<(), Trouble> {
        let path = text(&self.path)?;
        if tool("xfs_io", &["-x", "-c", "shutdown", path]).is_ok() {
            return Ok(());
        }
        // _IOR('X', 125, u32) with EXT4_GOING_FLAGS_NOLOGFLUSH.
        let script =
            "import fcntl, os, struct, sys\nfd = os.open(sys.argv[1], os.O_RDONLY)\nfcntl.ioctl(fd, 0x8004587D, struct.pack('I', 2))\n";
        tool("python3", &["-c", script, path]).map(|_| ())
    }

    /// Mounts the disk again, as after the power is back: what was only in memory is gone.
    ///
    /// # Errors
    /// When a process still uses it, or it cannot be mounted.
    pub fn power_up(&mut self) -> Result<(), Trouble> {
        tool("umount", &[text(&self.path)?])?;
        self.is_mounted = false;
        self.mount()
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        if self.is_mounted
            && let Ok(path) = text(&self.path)
        {
            // Lazily, where something still holds it: the folder must go.
            if tool("umount", &[path]).is_err() {
                let _ = tool("umount", &["-l", path]);
            }
        }
    }
}
