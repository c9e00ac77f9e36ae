//! Requests from inside a program to the valgrind that runs it. Anywhere else they do nothing and answer 0.

use std::ffi::CStr;

/// Whether this program runs under valgrind.
pub(crate) fn runs() -> bool {
    request(0x1001, [0; 4]) != 0
}

/// How many errors memcheck has seen until now.
pub(crate) fn errors() -> usize {
    request(0x1201, [0; 4])
}

/// Memcheck: these bytes are secret from now on, and so is all that is computed from them.
pub(crate) fn make_undefined(address: *const u8, bytes: usize) {
    request(MEMCHECK + 1, [address.addr(), bytes, 0, 0]);
}

/// Memcheck: these bytes are public from now on.
pub(crate) fn make_defined(address: *const u8, bytes: usize) {
    request(MEMCHECK + 2, [address.addr(), bytes, 0, 0]);
}

/// Memcheck: whether every bit of these bytes depends on something undefined.
pub(crate) fn is_undefined(bytes: &[u8]) -> bool {
    let mut bits = vec![0_u8; bytes.len()];
    let asked = request(MEMCHECK + 8, [bytes.as_ptr().addr(), bits.as_mut_ptr().addr(), bytes.len(), 0]);
    asked == 1 && bits.iter().all(|bits| *bits == u8::MAX)
}

/// Callgrind: begins, or ends, to count instructions.
pub(crate) fn toggle_collect() {
    request(CALLGRIND + 2, [0; 4]);
}

/// Callgrind: writes down under that name what was counted, and begins at 0 again.
pub(crate) fn dump_counts(name: &CStr) {
    request(CALLGRIND + 3, [name.as_ptr().addr(), 0, 0, 0]);
}

/// Requests of a tool begin with its two letters.
const MEMCHECK: usize = tool(b'M', b'C');
const CALLGRIND: usize = tool(b'C', b'T');

const fn tool(first: u8, second: u8) -> usize {
    (first as usize) << 24 | (second as usize) << 16
}

/// The instructions of valgrind.h for x86-64 Linux: they rotate a register by 128 bits, and leave all as it was.
#[inline(never)]
fn request(code: usize, [first, second, third, fourth]: [usize; 4]) -> usize {
    let block = [code, first, second, third, fourth, 0];
    let mut answer = 0_usize;
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    #[expect(unsafe_code, reason = "valgrind looks for just these instructions")]
    // SAFETY: without valgrind they change no register and no memory. Valgrind reads the block, writes its answer into
    // rdx, and into memory only for the requests above that name a buffer, which is exclusively theirs for so long.
    unsafe {
        std::arch::asm!(
            "rol rdi, 3", "rol rdi, 13", "rol rdi, 61", "rol rdi, 51", "xchg rbx, rbx",
            in("rax") block.as_ptr(), inlateout("rdx") answer,
        );
    }
    // No other processor was at hand to try it on.
    #[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
    let _ = std::hint::black_box((block, &mut answer));
    answer
}
