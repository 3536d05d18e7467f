// Package waldur speaks to the two sides of Waldur that cscs-sync needs: the Storage Proxy, which lists what should exist,
// and Waldur itself, which is asked about orders and told how they went.
//
// # Listings
//
// [NewProxy] gives a [engine.Source] that reads the proxy over HTTP, [NewFiles] one that reads saved answers. Both give a
// whole listing or an error, never a part: the proxy builds each page from Waldur again, so pages of one listing may
// contradict each other, and a listing that does is fetched again, not repaired. Nothing may be concluded from an item that
// is not listed: the proxy leaves out resources whose group it cannot find.
//
// A page is read by a strict scanner: at most 32 MiB and 500 items, nesting of 32, UTF-8, no member twice in any
// object. What breaks these rules refuses the page. What is merely wrong with one item (a field of another type, a status
// nobody knows) becomes that item's Problem, and the others go on. Numbers are read as decimals, never as binary floating
// point. The invented unixUid and email of users are not read at all.
//
// # Orders
//
// [NewOrders] gives a [apply.Orders]. It sends each callback once, and only below waldur.url.
//
// # Secrets
//
// Tokens come in as a [TokenFunc] and leave only in the Authorization header of requests to their own host: redirects are
// never followed, and error texts hold host, path, status and the shortened words of the other side, from which the token is
// cut should they repeat it.
package waldur
