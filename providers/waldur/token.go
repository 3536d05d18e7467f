package waldur

import (
	"context"

	"github.com/waldur/cscs-storage-sync/providers/web"
)

// TokenFunc gives the token for one request. Its errors hold no secret.
type TokenFunc func(ctx context.Context) (string, error)

// Static is a token that stays as it is.
func Static(token web.Secret) TokenFunc {
	return func(context.Context) (string, error) { return web.CheckToken(string(token)) }
}
