// Package waldur talks to the two parts of Waldur that cscs-sync needs: the Storage Proxy, which
// lists what should exist, and Waldur itself, which answers questions about orders and takes
// reports on them.
//
// # Listings
//
// [NewProxy] returns a [engine.Source] that reads the proxy over HTTP, and [NewFiles] returns one
// that reads saved answers. Both return a complete listing or an error, never a part. The proxy
// reads Waldur again for each page, so the pages of one listing may contradict each other. Such a
// listing is fetched again, not repaired. The absence of an item proves nothing, because the proxy
// omits resources whose group it cannot find.
//
// A strict scanner reads each page: at most 32 MiB and 500 items, nesting of at most 32, UTF-8, and
// no member twice in any object. A page that breaks these rules is refused. If only one item is
// wrong (a field of another type, an unknown status), this becomes the item's Problem, and the
// other items are used. Numbers are read as decimals, never as binary floating point. The users'
// unixUid and email, which the proxy makes up, are not read at all.
//
// # Orders
//
// [NewOrders] returns a [apply.Orders]. It sends each callback once, and only to URLs below
// waldur.url.
//
// # Secrets
//
// Tokens come from a [TokenFunc], and are sent only in the Authorization header of requests to
// their own host. Redirects are never followed. Error texts contain host, path, status and the
// shortened text of the answer. If the answer repeats the token, the token is removed.
package waldur
