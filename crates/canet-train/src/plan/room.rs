//! What the machine has to offer: memory that is free, and room on the disk.

use std::path::Path;

use crate::memory::kib;

/// Memory that this process can still take, in MiB: what the system calls available, or less where
/// a control group (a container) is limited. `None` where the system does not tell.
pub(super) fn memory_mib() -> Option<u64> {
    let free = kib(&std::fs::read_to_string("/proc/meminfo").ok()?, "MemAvailable:")?;
    let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let limits = groups.lines().filter_map(|line| group_room(Path::new("/sys/fs/cgroup"), line));
    Some(limits.min().unwrap_or(u64::MAX).min(free * 1024) >> 20)
}

/// Bytes below the limits of a group and of all groups it is in. `line` is one of
/// `/proc/self/cgroup`: `0::/a/b` for the unified hierarchy, `9:memory:/a/b` for the older one.
fn group_room(root: &Path, line: &str) -> Option<u64> {
    let mut fields = line.splitn(3, ':').skip(1);
    let (controllers, group) = (fields.next()?, fields.next()?);
    let group = Path::new(group.trim_start_matches('/'));
    // Within a container, the group's own folder is often mounted as the root, and its path, as
    // seen from outside, is not there. The root itself is looked at in any case.
    let room = |root: &Path, names: [&str; 2]| {
        let [limit, usage] = names;
        let groups = group.ancestors().map(|group| root.join(group));
        groups.filter_map(|group| below(&group, limit, usage)).min()
    };
    match controllers {
        "" => room(root, ["memory.max", "memory.current"]),
        _ if controllers.split(',').any(|name| name == "memory") => {
            room(&root.join("memory"), ["memory.limit_in_bytes", "memory.usage_in_bytes"])
        }
        _ => None,
    }
}

/// Bytes between a group's usage and its limit. Cached files count as room: they make way.
fn below(group: &Path, limit: &str, usage: &str) -> Option<u64> {
    let number = |name| std::fs::read_to_string(group.join(name)).ok()?.trim().parse::<u64>().ok();
    let cached = std::fs::read_to_string(group.join("memory.stat")).ok();
    let cached = cached.and_then(|stat| {
        let line = stat.lines().find_map(|line| line.strip_prefix("inactive_file "))?;
        line.trim().parse::<u64>().ok()
    });
    // An unlimited group says "max", which is no number.
    let (limit, usage) = (number(limit)?, number(usage)?);
    Some(limit.saturating_sub(usage.saturating_sub(cached.unwrap_or(0))))
}

/// Free bytes of the disk on which `path` is or will be. `None` where the system does not tell.
#[cfg(unix)]
pub(super) fn disk_bytes(path: &Path) -> Option<u64> {
    let path = std::path::absolute(path).ok()?;
    let there = path.ancestors().find(|path| path.exists())?;
    let disk = rustix::fs::statvfs(there).ok()?;
    Some(disk.f_bavail * disk.f_frsize)
}

/// Free bytes of the disk on which `path` is or will be. `None` where the system does not tell.
#[cfg(not(unix))]
pub(super) fn disk_bytes(_: &Path) -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_of_groups_and_of_their_parents_count() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("a/memory.max", "1000\n");
        write("a/memory.current", "700\n");
        write("a/memory.stat", "anon 400\ninactive_file 300\nactive_file 9\n");
        write("a/b/memory.max", "max\n");
        write("a/b/memory.current", "100\n");
        write("a/c/memory.max", "500\n");
        write("a/c/memory.current", "900\n");
        write("memory/old/memory.limit_in_bytes", "4000");
        write("memory/old/memory.usage_in_bytes", "1500");
        for (line, expected) in [
            ("0::/a", Some(600)),
            ("0::/a/b", Some(600)),
            ("0::/a/c", Some(0)),
            ("0::/elsewhere", None),
            ("0::/", None),
            ("4:memory:/old", Some(2500)),
            ("4:cpu,memory:/old", Some(2500)),
            ("5:cpu:/old", None),
            ("nonsense", None),
        ] {
            assert_eq!(group_room(root.path(), line), expected, "{line}");
        }
    }

    #[test]
    fn the_disk_of_a_folder_that_is_not_there_yet() {
        let root = tempfile::tempdir().unwrap();
        let here = disk_bytes(root.path());
        assert_eq!(disk_bytes(&root.path().join("runs/x")).is_some(), here.is_some());
        assert!(!cfg!(target_os = "linux") || here.is_some_and(|bytes| bytes > 0));
    }
}
