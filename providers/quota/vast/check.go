package vast

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// maxSkew is how far apart two clocks may be. Beyond that, tokens count as expired, and grace
// periods end at another time than shown.
const maxSkew = 30 * time.Second

// Check implements [quota.Checker]: the API accepts the credentials, all quotas can be read, and
// the clocks agree.
func (s *onSystem) Check(ctx context.Context) (string, error) {
	all, err := s.client.List(ctx)
	if err != nil {
		return "", err
	}
	said := fmt.Sprintf("%s accepts the credentials and shows %d quotas", s.client.place(""), len(all))
	off, known, err := s.client.clockSkew(ctx)
	switch {
	case err != nil:
		return "", err
	case !known:
		return said + "; its answers have no valid Date header, so the clocks cannot be compared", nil
	case off > maxSkew:
		return "", fmt.Errorf("%s; but its clock and this node's are %s apart, so tokens expire too "+
			"early, and grace periods end at another time than shown: set up NTP", said, off)
	}
	return fmt.Sprintf("%s; the clocks are %s apart", said, off), nil
}

// clockSkew returns how far the API's clock is from ours, by the Date header of an answer. known is
// false if the answer has none.
func (c *Client) clockSkew(ctx context.Context) (off time.Duration, known bool, err error) {
	r, err := c.ask(ctx, http.MethodGet, "quotas/?page=1&page_size=1", nil)
	if err != nil {
		return 0, false, fmt.Errorf("ask for the time: %w", err)
	}
	theirs, err := http.ParseTime(r.header.Get("Date"))
	if err != nil {
		return 0, false, nil
	}
	return c.o.Now().Sub(theirs).Abs().Round(time.Second), true, nil
}
