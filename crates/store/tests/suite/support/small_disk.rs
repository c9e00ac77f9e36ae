//! A disk of its own that is soon full: a small tmpfs in a mount namespace that a child of the test alone sees.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::folder::Folder;
use super::postgres::{is_root, user};

/// What the disk is, as its user sees it.
pub(crate) struct SmallDisk(PathBuf);

/// Tells the child where its disk is.
const DISK: &str = "GRACEKEY_SMALL_DISK";
const MOUNTED: &str = "the small disk is there";
const MISSING: &str = "these tests fill a disk of their own, and it can't be mounted: run them as root, or where users may \
                       make namespaces (kernel.unprivileged_userns_clone=1, \
                       kernel.apparmor_restrict_unprivileged_userns=0), with `unshare` and `mount` of util-linux";
/// Its size, its folder, a folder that shows the same and can't be written, and what is to be run with it. It is gone
/// with the last process that sees it.
const MOUNT: &str = r#"
    mount -t tmpfs -o "size=$1,mode=1777" gracekey "$2" && mount --bind "$2" "$3" && mount -o remount,bind,ro "$3" || exit
    echo "$4"
    shift 4
    exec "$@"
"#;

impl SmallDisk {
    /// In the child its disk. Elsewhere `None`, after the test of that name went well in a child.
    pub(crate) fn for_test(module: &str, name: &str, mebibytes: u32) -> Option<Self> {
        if let Some(path) = std::env::var_os(DISK) {
            return Some(Self(path.into()));
        }
        let folder = Folder::new("disk");
        let [disk, read_only] = ["disk", READ_ONLY].map(|name| folder.path().join(name));
        for path in [&disk, &read_only] {
            std::fs::create_dir(path).unwrap();
        }
        let mut command = Command::new("unshare");
        command.arg("--mount").args((!is_root()).then_some("--map-root-user"));
        command.args(["--", "sh", "-c", MOUNT, "sh", &format!("{mebibytes}m")]).args([&disk, &read_only]).arg(MOUNTED);
        if !is_root() {
            // Whoever may mount there is root there, and PostgreSQL does not run as root.
            let map = |what: &str, option: &str| format!("--map-{what}={}", user(option, None));
            command.args(["unshare", "--user", &map("user", "-u"), &map("group", "-g"), "--"]);
        }
        let (_, module) = module.split_once("::").unwrap();
        let test = format!("{module}::{name}");
        command.arg(std::env::current_exe().unwrap()).args(["--exact", &test, "--nocapture"]).env(DISK, &disk);
        let output = command.output().expect(MISSING);
        let (told, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(told.contains(MOUNTED), "{MISSING}: {errors}");
        assert!(output.status.success() && told.contains("1 passed"), "{told}{errors}");
        None
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The same disk where it can't be written.
    pub(crate) fn read_only(&self) -> PathBuf {
        self.0.with_file_name(READ_ONLY)
    }

    /// Fills it up, but for so many bytes.
    pub(crate) fn leave(&self, bytes: u64) {
        let mut filler = OpenOptions::new().create(true).append(true).open(self.filler()).unwrap();
        while filler.write(&[0; 4096]).is_ok_and(|written| written > 0) {}
        let size = filler.metadata().unwrap().len();
        filler.set_len(size.checked_sub(bytes).expect("the disk is too small")).unwrap();
    }

    /// What an operator does about it.
    pub(crate) fn make_room(&self) {
        File::create(self.filler()).unwrap();
    }

    fn filler(&self) -> PathBuf {
        self.0.join(OsStr::new("filler"))
    }
}

const READ_ONLY: &str = "read-only";
