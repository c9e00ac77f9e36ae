//! The built filter in an interpreter that counts instructions, with a proxy of a few lines around it.

use std::path::Path;

use gracekey_filter::serialize;
use wasmi::{Caller, Config, Engine, Error, Extern, Instance, Linker, Memory, Module, Store, TypedFunc, Val};

/// What the proxy hands out.
struct Proxy {
    configuration: Vec<u8>,
    headers: Vec<u8>,
    nanos: u64,
    metrics: u32,
    status: Option<u32>,
}

/// A running filter.
pub(crate) struct Filter {
    store: Store<Proxy>,
    instance: Instance,
    /// The memory that each request finds.
    memory: Vec<u8>,
}

const FUEL: u64 = u64::MAX / 2;

impl Filter {
    /// Loads the filter and configures it.
    pub(crate) fn start(path: &Path, configuration: &str, nanos: u64) -> Self {
        let mut config = Config::default();
        config.consume_fuel(true);
        let engine = Engine::new(&config);
        let module = Module::new(&engine, std::fs::read(path).expect("the filter")).expect("a module");
        let configuration = configuration.as_bytes().to_vec();
        let proxy = Proxy { configuration, headers: Vec::new(), nanos, metrics: 0, status: None };
        let mut store = Store::new(&engine, proxy);
        store.set_fuel(FUEL).expect("fuel");
        let mut linker = Linker::new(&engine);
        for import in module.imports() {
            let (name, ty) = (import.name().to_owned(), import.ty().func().expect("a function").clone());
            linker
                .func_new(import.module(), import.name(), ty, move |caller, arguments, results| {
                    call(&name, caller, arguments)?;
                    for result in results {
                        *result = Val::I32(0);
                    }
                    Ok(())
                })
                .expect("an import");
        }
        let instance = linker.instantiate_and_start(&mut store, &module).expect("an instance");
        let mut filter = Self { store, instance, memory: Vec::new() };
        filter.function::<(), ()>("_initialize").call(&mut filter.store, ()).expect("initialized");
        filter.function::<(u32, u32), ()>("proxy_on_context_create").call(&mut filter.store, (1, 0)).expect("a root");
        let size = u32::try_from(filter.store.data().configuration.len()).expect("a size");
        let configured = filter.function::<(u32, u32), u32>("proxy_on_configure").call(&mut filter.store, (1, size));
        assert_eq!(configured.expect("configured"), 1, "the configuration was refused");
        filter
    }

    /// From now on each request finds the memory as it is now: how an allocator stands after the requests before is no
    /// matter of the key.
    pub(crate) fn remember(&mut self) {
        self.memory = self.instance.get_memory(&self.store, "memory").expect("the memory").data(&self.store).to_vec();
    }

    /// Sends a request with that key. Returns the status of the answer, if there is one, and how many instructions it
    /// took.
    pub(crate) fn send(&mut self, key: &[u8]) -> (Option<u32>, u64) {
        let headers: [(&str, &[u8]); 4] =
            [(":method", b"GET"), (":path", b"/v1/logs"), (":authority", b"api"), ("x-api-key", key)];
        let memory = self.instance.get_memory(&self.store, "memory").expect("the memory");
        if let Some(found) = memory.data_mut(&mut self.store).get_mut(..self.memory.len()) {
            found.copy_from_slice(&self.memory);
        }
        self.store.data_mut().headers = serialize(headers.into_iter());
        self.store.data_mut().status = None;
        self.function::<(u32, u32), ()>("proxy_on_context_create").call(&mut self.store, (2, 1)).expect("a context");
        let before = self.store.get_fuel().expect("fuel");
        let request = self.function::<(u32, u32, u32), u32>("proxy_on_request_headers");
        request.call(&mut self.store, (2, 4, 1)).expect("a verdict");
        let spent = before - self.store.get_fuel().expect("fuel");
        self.function::<u32, ()>("proxy_on_delete").call(&mut self.store, 2).expect("deleted");
        self.store.set_fuel(FUEL).expect("fuel");
        (self.store.data().status, spent)
    }

    fn function<P: wasmi::WasmParams, R: wasmi::WasmResults>(&self, name: &str) -> TypedFunc<P, R> {
        self.instance.get_typed_func(&self.store, name).expect("an export")
    }
}

/// The calls that the filter makes. All that it does not look at is answered with "done".
fn call(name: &str, mut caller: Caller<'_, Proxy>, arguments: &[Val]) -> Result<(), Error> {
    let argument = |at: usize| arguments.get(at).and_then(Val::i32).unwrap_or_default().cast_unsigned();
    match name {
        "proxy_get_buffer_bytes" => {
            let bytes = caller.data().configuration.clone();
            give(&mut caller, &bytes, argument(3), argument(4))
        }
        "proxy_get_header_map_pairs" => {
            let bytes = caller.data().headers.clone();
            give(&mut caller, &bytes, argument(1), argument(2))
        }
        "proxy_get_current_time_nanoseconds" => {
            let nanos = caller.data().nanos.to_le_bytes();
            write(&mut caller, argument(0), &nanos)
        }
        "proxy_define_metric" => {
            caller.data_mut().metrics += 1;
            let id = caller.data().metrics.to_le_bytes();
            write(&mut caller, argument(3), &id)
        }
        "proxy_send_local_response" => {
            caller.data_mut().status = Some(argument(0));
            Ok(())
        }
        "environ_sizes_get" => {
            write(&mut caller, argument(0), &[0; 4])?;
            write(&mut caller, argument(1), &[0; 4])
        }
        "proc_exit" => Err(Error::new("the filter panicked")),
        _ => Ok(()),
    }
}

/// Hands bytes over in memory that the filter allocates.
fn give(caller: &mut Caller<'_, Proxy>, bytes: &[u8], data: u32, size: u32) -> Result<(), Error> {
    let len = u32::try_from(bytes.len()).expect("a size");
    let allocate = caller.get_export("proxy_on_memory_allocate").and_then(Extern::into_func).expect("an allocator");
    let at = allocate.typed::<u32, u32>(&*caller)?.call(&mut *caller, len)?;
    write(caller, at, bytes)?;
    write(caller, data, &at.to_le_bytes())?;
    write(caller, size, &len.to_le_bytes())
}

fn write(caller: &mut Caller<'_, Proxy>, at: u32, bytes: &[u8]) -> Result<(), Error> {
    let memory: Memory = caller.get_export("memory").and_then(Extern::into_memory).expect("the memory");
    memory.write(&mut *caller, at as usize, bytes).map_err(|error| Error::new(error.to_string()))
}
