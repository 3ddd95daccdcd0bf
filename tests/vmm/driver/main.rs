//! A VMM for tests, made of the crate `vhost`: vmm.test runs `driver SCENARIO` for
//! each line that `driver list` prints.  It starts the daemon VRNGD with the
//! executables in VRNGD_LIBEXEC itself, in the folder VMM_DIR, and ends with status
//! 0 if all went well.

mod daemon;
mod guest;
mod vmm;

use daemon::{until, Vrngd};
use guest::{Guest, Memory, IN_ORDER, PACKED};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{scope, sleep};
use std::time::Duration;
use vhost::vhost_user::VhostUserFrontend;
use vmm::Vmm;

const MIB: u64 = 1 << 20;

/// Every size and chain, the ring stopped between, then the guest boots anew.
fn sessions(form: u64) {
    let vrngd = Vrngd::start("", false);
    // A packed ring may have any size.
    let sizes = if form & PACKED != 0 { [17, 64, 255] } else { [16, 64, 256] };
    for boot in 0..10 {
        let mut guest = Guest::with(form, sizes[boot % 3]);
        let mut vmm = Vmm::cloud_hypervisor(&vrngd.socket(), &mut guest);
        for _ in 0..3 {
            guest.read_sizes();
            guest.read_chains(false);
            guest.read_chains(true);
            let base = vmm.stop_ring();
            vmm.start_ring(&guest, base);
        }
        vmm.stop_ring();
        guest.reset();
        vmm.start_ring(&guest, guest.first_base());
        guest.read_sizes();
    }
}

fn session() {
    sessions(0);
}

fn in_order() {
    sessions(IN_ORDER);
}

fn packed() {
    sessions(PACKED);
}

fn packed_in_order() {
    sessions(PACKED | IN_ORDER);
}

/// The queues of the three VMMs, in the order of their messages.
fn cloud_hypervisor() {
    let vrngd = Vrngd::start("", false);
    let mut guest = Guest::new(64);
    let mut vmm = Vmm::cloud_hypervisor(&vrngd.socket(), &mut guest);
    guest.read_sizes();
    for _ in 0..20 {
        vmm.enable(false);
        guest.submit(0, 64);
        guest.notify();
        vmm.enable(true);
        guest.complete();
    }
}

fn crosvm() {
    let vrngd = Vrngd::start("", false);
    let mut guest = Guest::new(32768);
    let mut vmm = Vmm::crosvm(&vrngd.socket(), &mut guest);
    for _ in 0..20 {
        guest.read_sizes();
        let base = vmm.stop_ring();
        vmm.read_config(0, 256);
        vmm.start_ring(&guest, base);
        guest.read_chains(true);
    }
}

fn libkrun() {
    let vrngd = Vrngd::start("", false);
    let mut guest = Guest::new(256);
    let _vmm = Vmm::libkrun(&vrngd.socket(), &mut guest);
    guest.read_sizes();
    guest.read_chains(false);
    vrngd.kill_worker();
    guest.read_sizes();
}

/// Slots come and go while the guest reads, and are read into.
fn memory() {
    let vrngd = Vrngd::start("", false);
    let mut guest = Guest::new(64);
    let mut vmm = Vmm::cloud_hypervisor(&vrngd.socket(), &mut guest);
    assert!(vmm.frontend.get_max_mem_slots().unwrap() >= 8);
    let done = AtomicBool::new(false);
    let guest = Mutex::new(guest);
    scope(|s| {
        s.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                guest.lock().unwrap().load(16, 4096, once());
                std::thread::yield_now();
            }
        });
        for round in 0..100 {
            let slots: Vec<Arc<Memory>> = (0..4)
                .map(|i| Arc::new(Memory::new((1024 + (round % 7 + i) * 2) * MIB, 2 * MIB)))
                .collect();
            for slot in &slots {
                vmm.frontend.add_mem_region(&slot.region()).unwrap();
            }
            {
                let mut guest = guest.lock().unwrap();
                for slot in &slots {
                    guest.submit_in(slot, &[(slot.gpa + 64, 4096)], false);
                }
                guest.notify();
                guest.complete();
            }
            for slot in slots.iter().rev() {
                vmm.frontend.remove_mem_region(&slot.region()).unwrap();
            }
        }
        done.store(true, Ordering::Relaxed);
    });
}

/// True from the second time on.
fn once() -> impl Fn() -> bool {
    let asked = AtomicBool::new(false);
    move || asked.swap(true, Ordering::Relaxed)
}

/// Runs `work` while the guest reads; it must have read meanwhile.
fn under_load(guest: &mut Guest, depth: usize, work: impl FnOnce(&AtomicU64)) {
    let done = AtomicBool::new(false);
    let rounds = AtomicU64::new(0);
    scope(|s| {
        s.spawn(|| {
            guest.load(depth, 4096, || {
                rounds.fetch_add(1, Ordering::Relaxed);
                done.load(Ordering::Relaxed)
            })
        });
        work(&rounds);
        done.store(true, Ordering::Relaxed);
    });
    assert!(rounds.load(Ordering::Relaxed) > 2);
}

fn go_on(rounds: &AtomicU64) {
    let before = rounds.load(Ordering::Relaxed);
    until("reads go on", || rounds.load(Ordering::Relaxed) > before + 1);
}

/// The ring is stopped at any moment.  Then nothing is written, and what was not
/// completed is when it continues.
fn stop_often(form: u64) {
    let vrngd = Vrngd::start("", false);
    let mut guest = Guest::with(form, 64);
    let mut vmm = Vmm::cloud_hypervisor(&vrngd.socket(), &mut guest);
    let mut open = 0;
    // The ring's own events, for the thread that stops it.
    let mut ring = Guest::with(form, guest.size);
    ring.ram = guest.ram.clone();
    ring.kick = guest.kick.try_clone().unwrap();
    ring.call = guest.call.try_clone().unwrap();
    under_load(&mut guest, 48, |_| {
        // More often if none was at the right moment.
        for round in 0..2000 {
            if round >= 200 && open > 0 {
                break;
            }
            sleep(Duration::from_micros(round * 37 % 1500));
            let base = vmm.stop_ring();
            let next = ring.used_at(base);
            assert!(!ring.is_used(next));
            open += u32::from(ring.is_avail(next));
            sleep(Duration::from_micros(300));
            assert!(!ring.is_used(next), "completed while the ring is stopped");
            vmm.start_ring(&ring, base);
        }
    });
    println!("{open} stops with requests open");
    assert!(open > 0);
}

fn stops() {
    stop_often(0);
}

fn packed_stops() {
    stop_often(PACKED);
}

/// The daemon dies with requests open; the next one completes each of them once.
fn lose(form: u64, connect: fn(&Path, &mut Guest) -> Vmm) {
    let mut vrngd = Vrngd::start("rate = 256K", false);
    let mut guest = Guest::with(form, 64);
    guest.limited = true;
    let mut vmm = connect(&vrngd.socket(), &mut guest);
    for round in 0..5 {
        for slot in 0..60 {
            guest.submit(slot, 4096);
        }
        guest.notify();
        until("some are completed", || guest.some_completed());
        vrngd.end(if round % 2 == 0 { libc::SIGKILL } else { libc::SIGTERM });
        vmm.await_end();
        let left = guest.drain();
        println!("{left} requests open");
        assert!(left > 0);
        vrngd.again();
        vmm = vmm.reconnect(&vrngd.socket(), &mut guest);
        guest.complete();
    }
    vrngd.end(libc::SIGTERM);
}

fn takeover() {
    lose(0, Vmm::cloud_hypervisor);
}

fn packed_takeover() {
    lose(PACKED, Vmm::cloud_hypervisor);
}

/// What was not completed is what is behind the ring's used index.
fn replay() {
    lose(IN_ORDER, Vmm::without_record);
    lose(IN_ORDER, Vmm::cloud_hypervisor);
}

/// Every page that is written is in the log, and no other.
fn log_writes(form: u64) {
    let vrngd = Vrngd::start("", false);
    let mut guest = Guest::with(form, 64);
    let mut vmm = Vmm::cloud_hypervisor(&vrngd.socket(), &mut guest);
    for _ in 0..5 {
        let bitmap = Memory::new(0, 4096);
        vmm.log(&guest, Some(&bitmap));
        guest.pages.clear();
        guest.read_sizes();
        guest.read_chains(true);
        let mut expected = guest.pages.clone();
        expected.extend(guest.ring_pages());
        let dirty = bitmap.bits();
        assert_eq!(dirty, expected);
        vmm.log(&guest, None);
        guest.read_sizes();
        assert_eq!(bitmap.bits(), dirty, "logged after the end");
    }
}

fn dirty_log() {
    log_writes(0);
}

fn packed_log() {
    log_writes(PACKED);
}

fn kill_workers(form: u64) {
    let vrngd = Vrngd::start("", false);
    let mut guest = Guest::with(form, 64);
    let mut vmm = Vmm::cloud_hypervisor(&vrngd.socket(), &mut guest);
    under_load(&mut guest, 48, |rounds| {
        for _ in 0..4 {
            go_on(rounds);
            vrngd.kill_worker();
        }
        go_on(rounds);
    });
    let base = vmm.stop_ring();
    vmm.start_ring(&guest, base);
    guest.read_sizes();
}

fn workers() {
    kill_workers(0);
}

fn packed_workers() {
    kill_workers(PACKED);
}

/// Under a manager that keeps the descriptors the connection outlives the daemon.
fn restart(form: u64) {
    let mut vrngd = Vrngd::start("", true);
    let mut guest = Guest::with(form, 64);
    let mut vmm = Vmm::cloud_hypervisor(&vrngd.socket(), &mut guest);
    under_load(&mut guest, 48, |rounds| {
        for round in 0..6 {
            go_on(rounds);
            vrngd.end(if round % 2 == 0 { libc::SIGTERM } else { libc::SIGKILL });
            vrngd.again();
        }
        go_on(rounds);
    });
    let base = vmm.stop_ring();
    vmm.start_ring(&guest, base);
    guest.read_sizes();
}

fn restarts() {
    restart(0);
}

fn packed_restarts() {
    restart(PACKED);
}

/// The state is saved and loaded with requests open, and loaded by another vrngd.
#[cfg(feature = "device-state")]
fn device_state() {
    let mut vrngd = Vrngd::start("", false);
    let mut guest = Guest::new(64);
    let mut vmm = Vmm::cloud_hypervisor(&vrngd.socket(), &mut guest);
    let mut state = Vec::new();
    for _ in 0..100 {
        for slot in 0..16 {
            guest.submit(slot, 4096);
        }
        guest.notify();
        let base = vmm.stop_ring();
        state = vmm.save();
        assert!(!state.is_empty() && state.len() <= 4096);
        vmm.load(&state);
        vmm.start_ring(&guest, base);
        guest.complete();
    }
    vrngd.end(libc::SIGTERM);
    vrngd.again();
    let mut vmm = Vmm::cloud_hypervisor(&vrngd.socket(), &mut guest);
    vmm.stop_ring();
    vmm.load(&state);
    let base = guest.ram.used_idx().into();
    vmm.start_ring(&guest, base);
    guest.read_sizes();
}

type Scenario = (&'static str, fn(), &'static str);
const SCENARIOS: &[Scenario] = &[
    ("session", session, "full sessions, 64 B to 64 KiB, chains"),
    ("cloud-hypervisor", cloud_hypervisor, "the order of cloud-hypervisor's messages"),
    ("crosvm", crosvm, "the order of crosvm's messages"),
    ("libkrun", libkrun, "the order of libkrun's messages"),
    ("memory", memory, "memory added and removed under load"),
    ("stops", stops, "ring stops with requests open"),
    ("takeover", takeover, "requests in flight when vrngd is lost"),
    ("dirty-log", dirty_log, "the dirty log"),
    ("workers", workers, "the worker is killed under load"),
    ("restarts", restarts, "vrngd is restarted under load"),
    ("in-order", in_order, "full sessions, with IN_ORDER"),
    ("replay", replay, "requests behind used.idx when vrngd is lost, with IN_ORDER"),
    ("packed", packed, "full sessions, with a packed ring"),
    ("packed-in-order", packed_in_order, "full sessions, with a packed ring, IN_ORDER"),
    ("packed-stops", packed_stops, "stops with requests open, with a packed ring"),
    ("packed-takeover", packed_takeover, "requests in flight, with a packed ring"),
    ("packed-log", packed_log, "the dirty log, with a packed ring"),
    ("packed-workers", packed_workers, "the worker is killed, with a packed ring"),
    ("packed-restarts", packed_restarts, "vrngd is restarted, with a packed ring"),
    #[cfg(feature = "device-state")]
    ("device-state", device_state, "the device's state saved and loaded"),
];

fn main() {
    let name = std::env::args().nth(1).unwrap_or_default();
    if name == "list" {
        for (name, _, title) in SCENARIOS {
            println!("{name} {title}");
        }
        return;
    }
    match SCENARIOS.iter().find(|s| s.0 == name) {
        Some(scenario) => scenario.1(),
        None => {
            eprintln!("usage: driver SCENARIO | list");
            std::process::exit(2);
        }
    }
}
