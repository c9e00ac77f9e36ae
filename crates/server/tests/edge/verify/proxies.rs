//! The real proxies, with the configurations that operators are shown, in front of a service that echoes.

mod process;
mod upstream;

use std::time::Duration;

use gracekey_core::Grace;
use gracekey_store::{Rotate, RotateFrom};

use crate::running::exchange::Reply;
use crate::running::{by, issue, mint, now};
use crate::verify::gateway::Gateway;
use crate::verify::paths::TO_ADMIN;
use process::{Process, Program};
use upstream::Upstream;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nginx() {
    in_front(Program::Nginx).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn caddy() {
    in_front(Program::Caddy).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn envoy() {
    in_front(Program::Envoy).await;
}

async fn in_front(program: Program) {
    let gateway = Gateway::start().await;
    let upstream = Upstream::start().await;
    let process = Process::start(program, gateway.running.server.local_addr(), upstream.address).await;
    let stage = Stage { program, gateway, upstream, process };
    stage.a_good_key_passes_and_goes_no_further().await;
    stage.a_bad_one_is_answered_and_the_service_hears_nothing().await;
    stage.nobody_is_who_they_claim_to_be().await;
    stage.no_trick_reaches_the_service().await;
    stage.the_holder_of_an_old_key_is_told().await;
    stage.without_the_server_nothing_passes().await;
}

struct Stage {
    program: Program,
    gateway: Gateway,
    upstream: Upstream,
    process: Process,
}

impl Stage {
    async fn ask(&self, line: &str, headers: &[(&str, &str)]) -> Reply {
        self.process.ask(line, headers, b"").await
    }

    /// Asks, and sees to it that the service never heard of it.
    async fn refused(&self, line: &str, headers: &[(&str, &str)]) -> Reply {
        let before = self.upstream.served();
        let reply = self.ask(line, headers).await;
        assert_eq!(self.upstream.served(), before, "{:?} let it pass: {line} {headers:?}", self.program);
        reply
    }

    async fn a_good_key_passes_and_goes_no_further(&self) {
        let acme = self.gateway.acme.reveal();
        let bearer = format!("Bearer {acme}");
        for (name, value) in [("x-api-key", acme), ("authorization", bearer.as_str())] {
            for line in ["GET /v1/logs?limit=5", "PUT /v1/logs", "OPTIONS /v1/a%2Fb//c"] {
                let reply = self.ask(line, &[(name, value), ("x-client-id", "root"), ("x-key-id", "AAAAAAAA")]).await;
                let text = reply.text().to_lowercase();
                assert_eq!(reply.status, 200, "{:?} {line}: {text}\n{}", self.program, self.process.log());
                let key_id = self.gateway.acme_key.key_id.to_string().to_lowercase();
                assert!(text.contains("\r\nx-client-id: acme\r\n"), "{:?}: {text}", self.program);
                assert!(text.contains(&format!("\r\nx-key-id: {key_id}\r\n")), "{:?}: {text}", self.program);
                assert!(!text.contains("root") && !text.contains("aaaaaaaa"), "{:?}: {text}", self.program);
                assert!(!text.contains(&acme.to_lowercase()), "{:?}: {text}", self.program);
            }
        }
        let body = self.process.ask("POST /v1/logs", &[("x-api-key", acme)], b"ten bytes!").await;
        assert!(body.status == 200 && body.text().contains("ten bytes!"), "{:?}: {}", self.program, body.text());
    }

    async fn a_bad_one_is_answered_and_the_service_hears_nothing(&self) {
        let (acme, unknown) = (self.gateway.acme.reveal(), mint().0);
        for (line, headers, status, code) in [
            ("GET /v1/logs", vec![], 401, "missing"),
            ("GET /v1/logs", vec![("x-api-key", unknown.reveal())], 401, "unknown"),
            ("GET /admin", vec![("x-api-key", acme)], 403, "insufficient_scope"),
            ("DELETE /v1/logs", vec![("x-api-key", acme)], 403, "insufficient_scope"),
        ] {
            let reply = self.refused(line, &headers).await;
            assert_eq!((reply.status, reply.code().as_str()), (status, code), "{:?} {line}", self.program);
            assert_eq!(reply.count("www-authenticate"), 1, "{:?} {line}", self.program);
            assert_eq!(reply.header("cache-control"), Some("no-store"), "{:?} {line}", self.program);
            let kind = reply.header("content-type").unwrap_or_default();
            assert!(kind.starts_with("application/json"), "{:?} {line}: {kind}", self.program);
        }
        let two = [("x-api-key", acme), ("x-api-key", self.gateway.root.reveal())];
        let reply = self.refused("GET /v1/logs", &two).await;
        let status = if self.program == Program::Nginx { 403 } else { 400 };
        assert_eq!((reply.status, reply.code().as_str()), (status, "ambiguous"), "{:?}", self.program);
    }

    async fn nobody_is_who_they_claim_to_be(&self) {
        for line in ["GET /public/page", "GET /healthz"] {
            let reply = self.ask(line, &[("x-client-id", "root"), ("x-key-id", "AAAAAAAA")]).await;
            let text = reply.text().to_lowercase();
            assert_eq!(reply.status, 200, "{:?} {line}", self.program);
            assert!(!text.contains("root") && !text.contains("aaaaaaaa"), "{:?} {line}: {text}", self.program);
        }
        let claims = [
            ("x-forwarded-uri", "/healthz"),
            ("x-forwarded-method", "GET"),
            ("x-forwarded-for", "127.0.0.1"),
            ("x-original-uri", "/healthz"),
            ("x-original-method", "GET"),
            ("x-original-url", "/healthz"),
            ("x-rewrite-url", "/healthz"),
            ("x-http-method-override", "GET"),
            ("x-envoy-original-path", "/healthz"),
            ("x-envoy-auth-headers-to-remove", "host"),
            ("x-real-ip", "127.0.0.1"),
        ];
        for line in ["GET /v1/logs", "DELETE /v1/logs"] {
            let status = self.refused(line, &claims).await.status;
            assert_eq!(status, 401, "{:?} {line}", self.program);
        }
        let acme = [&claims[..], &[("x-api-key", self.gateway.acme.reveal())]].concat();
        let reply = self.refused("DELETE /v1/logs", &acme).await;
        assert_eq!(reply.status, 403, "{:?}", self.program);
    }

    async fn no_trick_reaches_the_service(&self) {
        let acme = [("x-api-key", self.gateway.acme.reveal())];
        for target in TO_ADMIN {
            let reply = self.refused(&format!("GET {target}"), &acme).await;
            assert!(matches!(reply.status, 400..=499), "{:?} {target}: {}", self.program, reply.status);
        }
        for line in [
            "GET http://api.example.com/admin",
            "GET http://api.example.com/healthz/../admin",
            "GET http://api.example.com//admin",
        ] {
            let reply = self.refused(line, &acme).await;
            assert!(matches!(reply.status, 400..=499), "{:?} {line}: {}", self.program, reply.status);
        }
        let reply = self.refused("GET http://api.example.com/v1/logs", &[]).await;
        assert!(matches!(reply.status, 400..=499), "{:?}: {}", self.program, reply.status);
        // The denial of a gRPC call is a 200 elsewhere.
        self.refused("POST /logs.Logs/Write", &[("content-type", "application/grpc"), ("te", "trailers")]).await;
    }

    async fn the_holder_of_an_old_key_is_told(&self) {
        let store = &self.gateway.running.store;
        let (key, generation) = issue(store, "acme", "ci").await;
        let rotate = Rotate { from: RotateFrom::Held(generation.key_id), key: mint().1, grace: Grace::default() };
        store.rotate(&rotate, &by(), now()).await.expect("a rotation");
        for _ in 0..500 {
            let reply = self.ask("GET /v1/logs", &[("x-api-key", key.reveal())]).await;
            if reply.header("authentication-info").is_some_and(|info| info.contains("superseded")) {
                assert!(reply.header("x-api-key-retires").is_some_and(|at| at.ends_with('Z')), "{:?}", self.program);
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{:?} never told of the old key", self.program);
    }

    async fn without_the_server_nothing_passes(self) {
        let Self { program, gateway, upstream, process } = self;
        let acme = gateway.acme;
        gateway.running.stop().await;
        let before = upstream.served();
        let reply = process.ask("GET /v1/logs", &[("x-api-key", acme.reveal())], b"").await;
        assert!(matches!(reply.status, 403 | 500..=599), "{program:?}: {}", reply.status);
        assert_eq!(upstream.served(), before, "{program:?} let it pass");
    }
}
