//! The one file that speaks the proxy-wasm ABI.
//!
//! Contexts and their dispatch come from the SDK. The calls on the way of a request are made here directly, since the
//! SDK's wrappers panic on any status that they do not expect, copy each header into two allocations, and cannot say
//! the details of an answer.

use std::rc::Rc;
use std::time::Duration;

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, BufferType, ContextType, LogLevel, MapType, MetricType};
use zeroize::Zeroizing;

use crate::host::{Answer, Host, Level, MetricId, MetricKind};
use crate::plugin::Plugin;
use crate::request::{Flow, Stream};

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|_| Box::new(Root { plugin: None }));
}}

/// The plugin in one worker.
struct Root {
    plugin: Option<Rc<Plugin>>,
}

impl Context for Root {
    fn on_http_call_response(&mut self, token: u32, headers: usize, body: usize, _trailers: usize) {
        let Some(plugin) = &self.plugin else { return };
        let headers = if headers == 0 { Vec::new() } else { header_map(MapType::HttpCallResponseHeaders) };
        plugin.answered(token, &headers, body, &Proxy);
    }

    fn on_done(&mut self) -> bool {
        if let Some(plugin) = &self.plugin {
            plugin.finish(&Proxy);
        }
        true
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, size: usize) -> bool {
        let text = hostcalls::get_buffer(BufferType::PluginConfiguration, 0, size);
        // It may hold a pepper.
        let text = Zeroizing::new(text.ok().flatten().unwrap_or_default());
        match Plugin::configure(&text, &Proxy) {
            Ok(plugin) => {
                self.plugin = Some(Rc::new(plugin));
                true
            }
            Err(error) => {
                Proxy.log(Level::Error, &error.to_string());
                false
            }
        }
    }

    fn on_tick(&mut self) {
        if let Some(plugin) = &self.plugin {
            plugin.tick(&Proxy);
        }
    }

    fn create_http_context(&self, context: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Http { plugin: self.plugin.clone(), stream: Stream::new(context) }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

/// One request.
struct Http {
    plugin: Option<Rc<Plugin>>,
    stream: Stream,
}

impl Context for Http {}

impl HttpContext for Http {
    fn on_http_request_headers(&mut self, _headers: usize, _end_of_stream: bool) -> Action {
        // A proxy sends no request to a plugin that it could not configure. Should one do so, nothing passes.
        let Some(plugin) = &self.plugin else { return Action::Pause };
        match self.stream.on_request(plugin, &Proxy) {
            Flow::Continue => Action::Continue,
            Flow::Stop | Flow::Wait => Action::Pause,
        }
    }

    // Envoy holds back all of a request whose headers wait, but where the operator set `allow_on_headers_stop_iteration`.
    fn on_http_request_body(&mut self, _size: usize, _end_of_stream: bool) -> Action {
        if self.stream.waits() { Action::Pause } else { Action::Continue }
    }

    fn on_http_request_trailers(&mut self, _trailers: usize) -> Action {
        if self.stream.waits() { Action::Pause } else { Action::Continue }
    }

    fn on_http_response_headers(&mut self, _headers: usize, _end_of_stream: bool) -> Action {
        self.stream.on_response(&Proxy);
        Action::Continue
    }
}

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_replace_header_map_value(
        map: u32,
        name: *const u8,
        name_size: usize,
        value: *const u8,
        value_size: usize,
    ) -> u32;
    fn proxy_remove_header_map_value(map: u32, name: *const u8, name_size: usize) -> u32;
    fn proxy_set_property(path: *const u8, path_size: usize, value: *const u8, value_size: usize) -> u32;
    fn proxy_get_current_time_nanoseconds(time: *mut u64) -> u32;
    fn proxy_get_shared_data(
        name: *const u8,
        name_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
        version: *mut u32,
    ) -> u32;
    fn proxy_set_shared_data(
        name: *const u8,
        name_size: usize,
        value: *const u8,
        value_size: usize,
        version: u32,
    ) -> u32;
    fn proxy_set_effective_context(context: u32) -> u32;
    fn proxy_continue_stream(stream: u32) -> u32;
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

/// The proxy around this VM.
struct Proxy;

/// A header map as the proxy serializes it, empty when it has none.
fn header_map(map: MapType) -> Vec<u8> {
    let (mut data, mut size) = (std::ptr::null_mut(), 0);
    // SAFETY: both pointers are to locals that outlive the call.
    let status = unsafe { proxy_get_header_map_pairs(map as u32, &raw mut data, &raw mut size) };
    if status != 0 || data.is_null() {
        return Vec::new();
    }
    // SAFETY: the proxy wrote the map into memory that it got from `proxy_on_memory_allocate`, which gives out the
    // buffer of a `Vec<u8>` of exactly that size and keeps no claim on it.
    unsafe { Vec::from_raw_parts(data, size, size) }
}

fn set_header(map: MapType, name: &str, value: &[u8]) {
    // SAFETY: the proxy reads both texts during the call only.
    unsafe {
        proxy_replace_header_map_value(map as u32, name.as_ptr(), name.len(), value.as_ptr(), value.len());
    }
}

impl Host for Proxy {
    fn request_headers(&self) -> Vec<u8> {
        header_map(MapType::HttpRequestHeaders)
    }

    fn set_request_header(&self, name: &str, value: &[u8]) {
        set_header(MapType::HttpRequestHeaders, name, value);
    }

    fn remove_request_header(&self, name: &str) {
        // SAFETY: the proxy reads the name during the call only.
        unsafe {
            proxy_remove_header_map_value(MapType::HttpRequestHeaders as u32, name.as_ptr(), name.len());
        }
    }

    fn set_response_header(&self, name: &str, value: &str) {
        set_header(MapType::HttpResponseHeaders, name, value.as_bytes());
    }

    fn respond(&self, answer: &Answer<'_>) {
        let Answer { status, details, headers, body } = *answer;
        // SAFETY: the proxy reads all four during the call only.
        unsafe {
            proxy_send_local_response(
                status.into(),
                details.as_ptr(),
                details.len(),
                body.as_ptr(),
                body.len(),
                headers.as_ptr(),
                headers.len(),
                -1,
            );
        }
    }

    fn set_filter_state(&self, name: &str, value: &str) {
        // SAFETY: the proxy reads both texts during the call only.
        unsafe {
            proxy_set_property(name.as_ptr(), name.len(), value.as_ptr(), value.len());
        }
    }

    fn now_nanos(&self) -> Option<u64> {
        let mut nanos = 0;
        // SAFETY: the pointer is to a local that outlives the call.
        let status = unsafe { proxy_get_current_time_nanoseconds(&raw mut nanos) };
        (status == 0).then_some(nanos)
    }

    fn define_metric(&self, kind: MetricKind, name: &str) -> Option<MetricId> {
        let kind = match kind {
            MetricKind::Counter => MetricType::Counter,
            MetricKind::Gauge => MetricType::Gauge,
        };
        hostcalls::define_metric(kind, name).ok().map(MetricId)
    }

    fn add(&self, metric: MetricId, by: u64) {
        hostcalls::increment_metric(metric.0, i64::try_from(by).unwrap_or(i64::MAX)).ok();
    }

    fn set(&self, metric: MetricId, to: u64) {
        hostcalls::record_metric(metric.0, to).ok();
    }

    fn log(&self, level: Level, line: &str) {
        let level = match level {
            Level::Info => LogLevel::Info,
            Level::Warn => LogLevel::Warn,
            Level::Error => LogLevel::Error,
        };
        hostcalls::log(level, &format!("gracekey: {line}")).ok();
    }

    fn environment(&self, name: &str) -> Option<Zeroizing<String>> {
        std::env::var(name).ok().map(Zeroizing::new)
    }

    fn set_tick(&self, period: Duration) {
        hostcalls::set_tick_period(period).ok();
    }

    fn call(&self, cluster: &str, headers: &[(&str, &str)], body: &[u8], timeout: Duration) -> Option<u32> {
        hostcalls::dispatch_http_call(cluster, headers.to_vec(), Some(body), Vec::new(), timeout).ok()
    }

    fn answer_body(&self, start: usize, len: usize) -> Vec<u8> {
        hostcalls::get_buffer(BufferType::HttpCallResponseBody, start, len).ok().flatten().unwrap_or_default()
    }

    fn shared(&self, name: &str) -> Option<Vec<u8>> {
        let (mut data, mut size, mut version) = (std::ptr::null_mut(), 0, 0);
        // SAFETY: the proxy reads the name during the call only; the other pointers are to locals that outlive it.
        let status =
            unsafe { proxy_get_shared_data(name.as_ptr(), name.len(), &raw mut data, &raw mut size, &raw mut version) };
        // SAFETY: as for a header map.
        (status == 0 && !data.is_null()).then(|| unsafe { Vec::from_raw_parts(data, size, size) })
    }

    fn share(&self, name: &str, bytes: &[u8]) {
        // SAFETY: the proxy reads both during the call only.
        unsafe {
            proxy_set_shared_data(name.as_ptr(), name.len(), bytes.as_ptr(), bytes.len(), 0);
        }
    }

    fn enter(&self, stream: u32) -> bool {
        // SAFETY: no pointers.
        unsafe { proxy_set_effective_context(stream) == 0 }
    }

    fn resume(&self) {
        const HTTP_REQUEST: u32 = 0;
        // SAFETY: no pointers.
        unsafe {
            proxy_continue_stream(HTTP_REQUEST);
        }
    }
}
