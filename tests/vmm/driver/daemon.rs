//! The daemon under test, in a folder of its own, and what systemd is to it: the
//! store of descriptors that outlives it.

use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::{Duration, Instant};
use vmm_sys_util::sock_ctrl_msg::ScmSocket;

const PATIENCE: Duration = Duration::from_secs(30);
const FIRST: i32 = 3;

type Store = Arc<Mutex<Vec<(String, fs::File)>>>;

pub struct Vrngd {
    pub dir: PathBuf,
    child: Option<Child>,
    store: Option<Store>,
}

/// Waits until it is true.
pub fn until(what: &str, mut ready: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !ready() {
        assert!(begin.elapsed() < PATIENCE, "time-out: {what}");
        sleep(Duration::from_millis(5));
    }
}

/// The command line of a process; empty if it has ended.
fn title(pid: i32) -> String {
    fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default()
}

/// Does what a message of the daemon asks of the store.
fn obey(store: &Store, text: &str, file: Option<fs::File>) {
    let Some((_, name)) = text.split_once("FDNAME=") else { return };
    let name = name.lines().next().unwrap_or_default().to_string();
    let mut store = store.lock().unwrap();
    if text.starts_with("FDSTOREREMOVE=1") {
        store.retain(|(n, _)| *n != name);
    } else if let (true, Some(file)) = (text.starts_with("FDSTORE=1"), file) {
        store.push((name, file));
    }
}

impl Vrngd {
    /// `class` is the body of the guest's class; `stored` says whether sessions
    /// outlive the daemon.
    pub fn start(class: &str, stored: bool) -> Self {
        let dir = PathBuf::from(std::env::var("VMM_DIR").expect("VMM_DIR"));
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).unwrap();
        let conf = format!(
            "pool \"default\" {{ source \"kernel\" {{ type = kernel }}\n\
             class \"c\" {{ {class} }} }}\n\
             guest \"vm\" {{ socket = \"{}/vm.sock\" class = c }}\n",
            dir.display()
        );
        fs::write(dir.join("conf"), conf).unwrap();
        let mut vrngd = Vrngd { dir, child: None, store: stored.then(Store::default) };
        if let Some(store) = &vrngd.store {
            let socket = UnixDatagram::bind(vrngd.dir.join("notify")).unwrap();
            let store = store.clone();
            std::thread::spawn(move || loop {
                let mut text = [0; 4096];
                let Ok((n, file)) = socket.recv_with_fd(&mut text) else { return };
                obey(&store, &String::from_utf8_lossy(&text[..n]), file);
            });
        }
        vrngd.again();
        vrngd
    }

    pub fn socket(&self) -> PathBuf {
        self.dir.join("vm.sock")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }

    /// Starts it, the next time with what is in the store.
    pub fn again(&mut self) {
        let log = fs::File::create(self.dir.join("log")).unwrap();
        let program = std::env::var_os("VRNGD").expect("VRNGD");
        let libexec = std::env::var_os("VRNGD_LIBEXEC").expect("VRNGD_LIBEXEC");
        // The shell knows the pid that the descriptors are for.
        let mut command = Command::new("sh");
        command.args(["-c", "LISTEN_PID=$$ exec \"$@\"", "sh"]).arg(program);
        command.arg("--libexec").arg(libexec).arg("-C").arg(self.dir.join("conf"));
        command.arg("--control").arg(self.dir.join("control"));
        command.stdin(Stdio::null()).stderr(log.try_clone().unwrap()).stdout(log);
        let mut fds = Vec::new();
        if let Some(store) = &self.store {
            let store = store.lock().unwrap();
            let names: Vec<&str> = store.iter().map(|(n, _)| n.as_str()).collect();
            fds = store.iter().map(|(_, f)| f.as_raw_fd()).collect();
            command.env("NOTIFY_SOCKET", self.dir.join("notify")).env("FDSTORE", "16");
            if !fds.is_empty() {
                command.env("LISTEN_FDS", fds.len().to_string());
                command.env("LISTEN_FDNAMES", names.join(":"));
            }
        }
        // SAFETY: only dup2 is called, first out of each other's way.
        unsafe {
            command.pre_exec(move || {
                for (i, fd) in fds.iter().enumerate() {
                    libc::dup2(*fd, 500 + i as i32);
                }
                for i in 0..fds.len() as i32 {
                    libc::dup2(500 + i, FIRST + i);
                    libc::close(500 + i);
                }
                Ok(())
            })
        };
        self.child = Some(command.spawn().unwrap());
        until("vrngd starts", || self.log().contains(" ready: "));
    }

    fn pid(&self) -> i32 {
        self.child.as_ref().unwrap().id() as i32
    }

    /// Ends it and waits for it and its children.
    pub fn end(&mut self, signal: i32) {
        let children = self.children();
        // SAFETY: our own child.
        unsafe { libc::kill(self.pid(), signal) };
        let status = self.child.take().unwrap().wait().unwrap();
        assert!(signal != libc::SIGTERM || status.success(), "vrngd: {status}");
        // A zombie has closed its descriptors.
        let gone = |pid: &i32| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat"));
            stat.map_or(true, |s| s.contains(") Z "))
        };
        until("its children end", || children.iter().all(gone));
    }

    fn children(&self) -> Vec<i32> {
        let children = format!("/proc/{0}/task/{0}/children", self.pid());
        let children = fs::read_to_string(children).unwrap();
        children.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
    }

    /// The pid of the guest's worker, or None.
    pub fn worker(&self) -> Option<i32> {
        self.children().into_iter().find(|pid| title(*pid).contains("vrngd-vhost"))
    }

    /// Kills the guest's worker and waits for the next one.
    pub fn kill_worker(&self) {
        let mut old = None;
        until("a worker", || {
            old = self.worker();
            old.is_some()
        });
        // SAFETY: a child of our own child.
        unsafe { libc::kill(old.unwrap(), libc::SIGKILL) };
        until("another worker", || self.worker().is_some_and(|pid| Some(pid) != old));
    }
}

impl Drop for Vrngd {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{}", self.log());
        }
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
