//! What any wasm filter costs: one that does nothing, and one that makes the host calls of the real filter on a request
//! and nothing else; and the ways to read request headers. The configuration says which: `nothing`, `grant`, `denial`,
//! or `read` and a way.

use std::ptr::null_mut;

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, BufferType, ContextType};

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|_| Box::new(Root { calls: Calls::Nothing }));
}}

#[derive(Clone, Copy)]
enum Calls {
    Nothing,
    Grant,
    Denial,
    ReadAll,
    /// By the call for one header, so many times.
    Read(usize),
    /// By the property, so many times.
    Property(usize),
}

struct Root {
    calls: Calls,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, size: usize) -> bool {
        let text = hostcalls::get_buffer(BufferType::PluginConfiguration, 0, size);
        self.calls = match text.ok().flatten().as_deref() {
            Some(b"grant") => Calls::Grant,
            Some(b"denial") => Calls::Denial,
            Some(b"read all") => Calls::ReadAll,
            Some(b"read one") => Calls::Read(1),
            Some(b"read four") => Calls::Read(4),
            Some(b"read property") => Calls::Property(1),
            Some(b"read properties") => Calls::Property(4),
            _ => Calls::Nothing,
        };
        true
    }

    fn create_http_context(&self, _context: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Http { calls: self.calls }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

struct Http {
    calls: Calls,
}

impl Context for Http {}

impl HttpContext for Http {
    fn on_http_request_headers(&mut self, _headers: usize, _end_of_stream: bool) -> Action {
        match self.calls {
            Calls::Nothing => Action::Continue,
            Calls::ReadAll => {
                read_all();
                Action::Continue
            }
            Calls::Read(times) => {
                NAMES.iter().take(times).for_each(|name| read_one(name));
                Action::Continue
            }
            Calls::Property(times) => {
                NAMES.iter().take(times).for_each(|name| read_property(name));
                Action::Continue
            }
            Calls::Grant => {
                read_headers_and_time();
                remove("x-api-key");
                replace("x-client-id", "client-0500");
                replace("x-key-id", "key00500");
                property("gracekey.client_id", "client-0500");
                property("gracekey.key_id", "key00500");
                property("gracekey.generation", "1");
                Action::Continue
            }
            Calls::Denial => {
                read_headers_and_time();
                property("gracekey.reason", "unknown");
                respond();
                Action::Pause
            }
        }
    }
}

const BODY: &str = "{\"error\":\"invalid_token\",\"error_description\":\"This API key is not valid.\",\"code\":\"unknown\",\"timestamp\":\"2026-11-22T04:57:15Z\"}";
const HEADERS: [(&str, &str); 3] = [
    ("content-type", "application/json"),
    ("cache-control", "no-store"),
    (
        "www-authenticate",
        "Bearer realm=\"api\", error=\"invalid_token\", error_description=\"This API key is not valid.\"",
    ),
];

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_get_header_map_value(map: u32, name: *const u8, len: usize, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_get_property(path: *const u8, len: usize, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_replace_header_map_value(map: u32, name: *const u8, len: usize, value: *const u8, size: usize) -> u32;
    fn proxy_remove_header_map_value(map: u32, name: *const u8, len: usize) -> u32;
    fn proxy_set_property(path: *const u8, len: usize, value: *const u8, size: usize) -> u32;
    fn proxy_get_current_time_nanoseconds(time: *mut u64) -> u32;
    fn proxy_send_local_response(
        status: u32,
        details: *const u8,
        details_size: usize,
        body: *const u8,
        body_size: usize,
        headers: *const u8,
        headers_size: usize,
        grpc_status: i32,
    ) -> u32;
}

/// What a policy with its defaults reads.
const NAMES: [&str; 4] = ["x-api-key", "authorization", "content-type", ":path"];

fn read_headers_and_time() {
    read_all();
    let mut nanos = 0;
    // SAFETY: a pointer to a local.
    unsafe { proxy_get_current_time_nanoseconds(&raw mut nanos) };
}

/// Takes what the proxy handed over.
fn take(data: *mut u8, size: usize) {
    if !data.is_null() {
        // SAFETY: the buffer comes from `proxy_on_memory_allocate` as a `Vec` of that size.
        drop(unsafe { Vec::from_raw_parts(data, size, size) });
    }
}

fn read_all() {
    let (mut data, mut size) = (null_mut(), 0);
    // SAFETY: pointers to locals.
    unsafe { proxy_get_header_map_pairs(0, &raw mut data, &raw mut size) };
    take(data, size);
}

fn read_one(name: &str) {
    let (mut data, mut size) = (null_mut(), 0);
    // SAFETY: the name is read during the call only; pointers to locals.
    unsafe { proxy_get_header_map_value(0, name.as_ptr(), name.len(), &raw mut data, &raw mut size) };
    take(data, size);
}

fn read_property(name: &str) {
    let (mut data, mut size) = (null_mut(), 0);
    let path = ["request", "headers", name].join("\0");
    // SAFETY: the path is read during the call only; pointers to locals.
    unsafe { proxy_get_property(path.as_ptr(), path.len(), &raw mut data, &raw mut size) };
    take(data, size);
}

fn remove(name: &str) {
    // SAFETY: read during the call only.
    unsafe { proxy_remove_header_map_value(0, name.as_ptr(), name.len()) };
}

fn replace(name: &str, value: &str) {
    // SAFETY: read during the call only.
    unsafe { proxy_replace_header_map_value(0, name.as_ptr(), name.len(), value.as_ptr(), value.len()) };
}

fn property(name: &str, value: &str) {
    // SAFETY: read during the call only.
    unsafe { proxy_set_property(name.as_ptr(), name.len(), value.as_ptr(), value.len()) };
}

fn respond() {
    let mut headers = Vec::from(3_u32.to_le_bytes());
    for (name, value) in HEADERS {
        headers.extend_from_slice(&(name.len() as u32).to_le_bytes());
        headers.extend_from_slice(&(value.len() as u32).to_le_bytes());
    }
    for text in HEADERS.iter().flat_map(|(name, value)| [name, value]) {
        headers.extend_from_slice(text.as_bytes());
        headers.push(0);
    }
    let details = "gracekey_unknown";
    // SAFETY: all four are read during the call only.
    unsafe {
        proxy_send_local_response(
            401,
            details.as_ptr(),
            details.len(),
            BODY.as_ptr(),
            BODY.len(),
            headers.as_ptr(),
            headers.len(),
            -1,
        );
    }
}
