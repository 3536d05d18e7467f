package providers

import "errors"

// ErrUnreachable tells that the other side gave no answer at all: asking it for more is pointless for now.
var ErrUnreachable = errors.New("no answer")

// ErrOrderGone tells that Waldur knows no such order, or that our token may not see it: Waldur answers 404 to both.
var ErrOrderGone = errors.New("no such order, or the token may not see it")

// ErrTokenRefused tells that the other side answered 401 or 403: what was asked does not matter, the token does.
var ErrTokenRefused = errors.New("the token is refused")

// ErrNotOwn reports that a URL is not that of a callback about its own order or resource: it was not called.
var ErrNotOwn = errors.New("not called")
