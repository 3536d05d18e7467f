package waldur

import (
	"context"

	"github.com/waldur/cscs-storage-sync/providers/web"
)

// TokenFunc returns the token for one request. Its errors contain no secret.
type TokenFunc func(ctx context.Context) (string, error)

// Static returns a token that never changes.
func Static(token web.Secret) TokenFunc {
	return func(context.Context) (string, error) { return web.CheckToken(string(token)) }
}
