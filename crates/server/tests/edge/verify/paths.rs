//! Paths that two servers may read in two ways: the strictest reading counts.

use crate::verify::flavour::Flavour;
use crate::verify::gateway::Gateway;

/// All of them lead to `/admin` for some server.
pub(crate) const TO_ADMIN: &[&str] = &[
    "/admin",
    "/admin/",
    "/admin/users",
    "//admin",
    "///admin//users",
    "/./admin",
    "/v1/../admin",
    "/v1/..//admin",
    "/%61dmin",
    "/adm%69n/users",
    "/%2561dmin",
    "/admin%2fusers",
    "/v1%2f..%2fadmin",
    "/v1/%2e%2e/admin",
    "/v1/.%2E/admin",
    "/v1/%252e%252e/admin",
    "/v1%5c..%5cadmin",
    "/v1/..%5cadmin",
    "/%2fadmin",
    "/admin;x=1",
    "/;/admin",
    "/admin%3bx",
    "/v1/..;/admin",
    "/healthz/../admin",
    "/healthz/..%2fadmin",
    "/healthz%2f..%2fadmin",
    "/public/../admin",
    "/public/%2e%2e%2fadmin",
    "/public/..;/admin",
];

/// All of them look like the open route, and are not.
const NOT_OPEN: &[&str] = &[
    "/healthz/",
    "/healthz/x",
    "//healthz",
    "/./healthz",
    "/%68ealthz",
    "/healthz%2f",
    "/healthz;x",
    "/healthz/.",
    "/x/../healthz",
    "/HEALTHZ",
    "/healthz%00",
    "/healthz%20",
    "/healthz/..",
];

#[tokio::test]
async fn no_spelling_of_a_path_needs_less_than_the_path() {
    let gateway = Gateway::start().await;
    let to = gateway.running.server.local_addr();
    let (acme, root) = ([("x-api-key", gateway.acme.reveal())], [("x-api-key", gateway.root.reveal())]);
    for flavour in Flavour::ALL {
        for target in TO_ADMIN {
            let reply = flavour.ask(to, "GET", target, &acme).await;
            assert_eq!((reply.status, reply.code().as_str()), (403, "insufficient_scope"), "{flavour:?} {target}");
            assert_eq!(flavour.ask(to, "GET", target, &[]).await.status, 401, "{flavour:?} {target}");
            // It is the scope that is missing, and not the spelling that is forbidden.
            assert_eq!(flavour.ask(to, "GET", target, &root).await.status, 200, "{flavour:?} {target}");
        }
        for target in NOT_OPEN {
            let reply = flavour.ask(to, "GET", target, &[]).await;
            assert_eq!((reply.status, reply.code().as_str()), (401, "missing"), "{flavour:?} {target}");
        }
        assert_eq!(flavour.ask(to, "GET", "/healthz?x=/admin", &[]).await.status, 200, "{flavour:?}");
    }
}
