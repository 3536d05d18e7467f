package vast

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// maxSkew is how far apart two clocks may be before tokens count as expired, or grace periods end
// at another time than said.
const maxSkew = 30 * time.Second

// Check implements [quota.Checker]: the API lets us in, all quotas can be read, and the clocks
// agree.
func (s *onSystem) Check(ctx context.Context) (string, error) {
	all, err := s.client.List(ctx)
	if err != nil {
		return "", err
	}
	said := fmt.Sprintf("%s lets us in: %d quotas are seen", s.client.place(""), len(all))
	off, known, err := s.client.skew(ctx)
	switch {
	case err != nil:
		return "", err
	case !known:
		return said + "; it does not say what time it is", nil
	case off > maxSkew:
		return "", fmt.Errorf("%s; but its clock and this node's are %s apart: tokens expire too early, and grace periods end at "+
			"another time than is shown; set up NTP", said, off)
	}
	return fmt.Sprintf("%s; clocks are %s apart", said, off), nil
}

// skew is how far the API's clock is from ours, by the Date of an answer; known is false if it does
// not say.
func (c *Client) skew(ctx context.Context) (off time.Duration, known bool, err error) {
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
