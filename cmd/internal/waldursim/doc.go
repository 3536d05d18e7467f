// Package waldursim simulates everything to which cscs-sync talks in one small server: the HPC
// Storage Proxy with its listing, Waldur with its orders and callbacks, and the token endpoint of a
// Keycloak. It keeps everything in memory and answers like the real services, including their
// quirks, so that a test or a demonstration needs none of them.
//
// A Go test serves it and controls it with methods:
//
//	s := waldursim.New(waldursim.Options{})
//	srv := httptest.NewServer(s)
//	r, err := s.AddResource(waldursim.ResourceSpec{
//		Offering: "capstor", Customer: "eth", Project: "p1", DataType: "store",
//		Limits: map[string]any{"storage": 10}, Order: &waldursim.OrderSpec{},
//	})
//	// the proxy is srv.URL + "/api/storage-resources/", Waldur srv.URL + "/api/"
//
// # What it answers
//
// The proxy needs a bearer token ([DefaultProxyToken], or one from the token endpoint until it
// expires):
//
//	GET /api/storage-resources/   page, page_size, status, data_type, storage_system; state is ignored
//
// Waldur needs "Token …" ([DefaultWaldurToken]). A uuid may be written with or without dashes:
//
//	GET  /api/marketplace-orders/{uuid}/
//	POST /api/marketplace-orders/{uuid}/ approve_by_provider/, reject_by_provider/, set_state_executing/,
//	     set_state_done/, set_state_erred/, set_backend_id/, set_provider_info/
//	POST /api/marketplace-component-usages/set_usage/
//	POST /api/marketplace-provider-resources/{uuid}/ set_backend_id/, update_options_direct/,
//	     update_options/, set_state_ok/
//
// Keycloak, for the client "cscs-sync" with the secret "sim-secret":
//
//	POST /realms/sim/protocol/openid-connect/token   grant_type=client_credentials
//
// What Waldur does after an approval happens immediately: then an order for new options is done,
// and so is any order of a [Basic] offering. All other orders wait for set_state_done.
//
// # Control interface
//
// The control interface is below /sim/ and needs no token. It reads and writes JSON. An id is a
// uuid or the slug of a resource. Errors are {"error": …} with status 400 or 404.
//
//	POST   /sim/resources                 [ResourceSpec]: make a resource, with an order if it has one
//	GET    /sim/resources/{id}            one resource with its orders
//	PATCH  /sim/resources/{id}            [ResourceChange]: set fields without any order
//	POST   /sim/resources/{id}/update     [UpdateSpec]: order other limits or options
//	POST   /sim/resources/{id}/terminate  {"state": …}, default pending-provider: order its end
//	POST   /sim/resources/{id}/restore    {"state": …}, default pending-provider: order a terminated resource back
//	PATCH  /sim/offerings/{slug}          [OfferingChange]: rename an offering, or switch messages off
//	POST   /sim/orders/{id}/state         {"state": …}: move an order, and its resource with it
//	GET    /sim/state                     {"resources": […]}: everything
//	GET    /sim/requests                  {"count": …, "requests": […]}: what came in, see [Request]
//	DELETE /sim/requests                  empty that log
//	POST   /sim/faults                    [Fault]: what goes wrong with the next requests that match
//	DELETE /sim/faults                    nothing goes wrong any more
//	POST   /sim/tokens                    {"service": "proxy" or "waldur", "token": …, "account": …}, see [Account]
//	POST   /sim/stop                      end
//
// Faults affect everything but the control interface. These two lose the answer of the next
// set_state_done, and refuse two pages with a time to wait:
//
//	{"kind": "lost", "method": "POST", "path": "/set_state_done/"}
//	{"kind": "status", "status": 503, "path": "page=2", "count": 2, "retry_after": "1"}
//
// # Same input, same output
//
// Ids are computed from names (version 5 uuids in the OID name space, like the proxy's own).
// Projects get GIDs in order of appearance. Nothing depends on the clock except for the times in
// orders and the end of tokens. The entries of a listing are computed once after a change, and
// their text for each page. So a page of 100,000 resources costs no more than one of 1,000.
package waldursim
