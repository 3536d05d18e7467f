package site

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"time"

	"github.com/waldur/cscs-storage-sync/planner/config"
)

// Channels returns the configured ways to notify people: "exec", "webhook", both or none.
func (s *Site) Channels() (channels []string) {
	to := s.cfg.Run.Notify
	if to != nil && len(to.Exec) > 0 {
		channels = append(channels, "exec")
	}
	if to != nil && to.Webhook != "" {
		channels = append(channels, "webhook")
	}
	return channels
}

// Tell sends one notice, as JSON, to one of [Site.Channels].
func (s *Site) Tell(ctx context.Context, channel string, notice []byte) error {
	to := s.cfg.Run.Notify
	if channel == "webhook" {
		return post(ctx, s.o.Transport, to, notice)
	}
	// The program may have been replaced since the configuration was read.
	if err := config.OS().TrustedProgram(to.Exec[0]); err != nil {
		return fmt.Errorf("run %s: %w", to.Exec[0], err)
	}
	cmd := exec.CommandContext(ctx, to.Exec[0], to.Exec[1:]...)
	cmd.Stdin, cmd.WaitDelay = bytes.NewReader(notice), time.Second
	cmd.Env = []string{"LC_ALL=C", "PATH=/usr/bin:/bin"}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("run %s: %w: %.200s", to.Exec[0], err, out)
	}
	return nil
}

// post sends a notice to the webhook. Its URL may contain a secret, so errors show only its host.
func post(ctx context.Context, transport http.RoundTripper, to *config.Notify, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to.Webhook, bytes.NewReader(body))
	if err != nil {
		return errors.New("run.notify.webhook is not a valid URL")
	}
	req.Header.Set("Content-Type", "application/json")
	if to.Token.IsSet() {
		req.Header.Set("Authorization", "Bearer "+to.Token.Reveal())
	}
	client := &http.Client{Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		}}
	answer, err := client.Do(req)
	var withURL *url.Error
	if errors.As(err, &withURL) {
		err = withURL.Err
	}
	if err != nil {
		return fmt.Errorf("post to %s: %w", req.URL.Host, err)
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 64<<10))
	if answer.StatusCode >= 300 {
		return fmt.Errorf("post to %s: %s", req.URL.Host, answer.Status)
	}
	return nil
}
