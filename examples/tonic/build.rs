//! Compiles the service definition, without a `protoc` on the machine.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let definition = protox::compile(["proto/logs.proto"], ["proto"])?;
    tonic_prost_build::configure().build_client(false).compile_fds(definition)?;
    Ok(())
}
