// Waldur-sim takes the place of the HPC Storage Proxy, Waldur and their Keycloak.
//
//	waldur-sim [--listen ADDRESS] [--url-file FILE] [--seed-file FILE] [--resources N [--orders PERCENT]]
//	           [--gid N] [--waldur-url URL] [--proxy-token T] [--waldur-token T]
//	           [--client-id ID] [--client-secret S] [--token-lifetime D]
//
// Its first line on standard output is "listening on http://127.0.0.1:PORT". --url-file also writes
// the URL to a file, which appears only when it is complete. Waldur-sim ends on SIGINT, SIGTERM or
// POST /sim/stop.
//
// It starts with the resources of --seed-file, a JSON scenario:
//
//	{"resources": [
//	  {"offering": "capstor", "customer": "eth", "project": "p1", "data_type": "store", "gid": 30001,
//	   "limits": {"storage": 10}},
//	  {"offering": "vast", "customer": "eth", "project": "p2", "data_type": "scratch",
//	   "limits": {"storage": 5}, "order": {"type": "Create", "state": "pending-provider"}},
//	  {"offering": "capstor", "customer": "eth", "project": "p3", "data_type": "store",
//	   "limits": {"storage": 5}, "order": {"type": "Update", "limits": {"storage": 8}}}
//	]}
//
// and --resources N adds N more: projects and users on capstor, vast and iopsstor. --gid gives all
// of them the same GID, so that a demonstration needs no rights beyond that group.
//
// The tokens are not secret, so do not use real ones in these flags: whoever reaches the port may
// do everything with the control interface. Therefore it listens on the loopback address by
// default. Package waldursim describes the control interface, including faults.
package main
