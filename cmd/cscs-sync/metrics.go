package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/waldur/cscs-storage-sync/planner"
)

// metrics is what the loop shows to the outside.
type metrics struct {
	now      func() time.Time
	registry *prometheus.Registry
	rounds   *prometheus.CounterVec
	actions  *prometheus.CounterVec
	last     *prometheus.GaugeVec
	took     *prometheus.GaugeVec
	planned  *prometheus.GaugeVec
	outbox   prometheus.Gauge
	oldest   prometheus.Gauge
	held     prometheus.Gauge
	hanging  prometheus.Gauge
	// success is the Unix time of the last round that listed and observed everything.
	success atomic.Int64
}

func newMetrics(now func() time.Time) *metrics {
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "cscs_sync", Name: name, Help: help}, labels)
	}
	m := &metrics{now: now, registry: prometheus.NewRegistry(),
		rounds:  prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "cscs_sync", Name: "rounds_total", Help: "Rounds by lane and reason."}, []string{"lane", "reason"}),
		actions: prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "cscs_sync", Name: "resources_total", Help: "Resources worked on by the loop, by outcome."}, []string{"outcome"}),
		last:    gauge("last_success_timestamp_seconds", "When a round of the lane last ended well.", "lane"),
		took:    gauge("round_seconds", "How long the last round of the lane took.", "lane"),
		planned: gauge("resources", "Resources in the last audit, by what is to be done.", "action"),
		outbox:  prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "cscs_sync", Name: "outbox_callbacks", Help: "Callbacks that Waldur has not got yet."}),
		oldest:  prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "cscs_sync", Name: "outbox_age_seconds", Help: "Age of the oldest callback that Waldur has not got yet."}),
	}
	m.held = prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "cscs_sync", Name: "held_actions", Help: "Actions that wait for a person, in the last round."})
	m.hanging = prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "cscs_sync", Name: "hanging_calls", Help: "Calls to the storage that have not come back: a mount hangs."})
	m.registry.MustRegister(m.held, m.hanging, m.rounds, m.actions, m.last, m.took, m.planned, m.outbox, m.oldest)
	return m
}

// round counts one round.
func (m *metrics) round(r *round, why reason, took time.Duration) {
	m.rounds.WithLabelValues(string(r.lane), string(why)).Inc()
	m.took.WithLabelValues(string(r.lane)).Set(took.Seconds())
	m.actions.WithLabelValues("applied").Add(float64(r.applied))
	m.actions.WithLabelValues("failed").Add(float64(r.failed))
	if why.fine() {
		m.success.Store(m.now().Unix())
		m.last.WithLabelValues(string(r.lane)).Set(float64(m.now().Unix()))
	}
	if r.planned == nil {
		return
	}
	m.held.Set(float64(r.held))
	if r.s.eyes != nil {
		m.hanging.Set(float64(r.s.eyes.Hanging()))
	}
	m.backlog(r.planned.plan.Context.Undelivered)
	if r.lane == laneAudit {
		m.counts(&r.planned.plan.Context)
	}
}

func (m *metrics) backlog(waiting []planner.Undelivered) {
	m.outbox.Set(float64(len(waiting)))
	oldest := 0.0
	for _, u := range waiting {
		oldest = max(oldest, m.now().Sub(u.Since).Seconds())
	}
	m.oldest.Set(oldest)
}

func (m *metrics) counts(c *planner.Context) {
	for name, n := range map[string]int{"create": c.Counts.Create, "adopt": c.Counts.Adopt, "update": c.Counts.Update, "archive": c.Counts.Archive,
		"restore": c.Counts.Restore, "report": c.Counts.Report, "blocked": c.Counts.Blocked, "waiting": c.Counts.Waiting, "unchanged": c.Counts.Unchanged, "unobserved": c.Unobserved} {
		m.planned.WithLabelValues(name).Set(float64(n))
	}
}

// serve answers /metrics, /healthz (the process works) and /readyz (a round ended well within the last hour). Without an
// address it serves nothing.
func (m *metrics) serve(address string, log *slog.Logger) (stop func(), err error) {
	if address == "" {
		return func() {}, nil
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("run.listen: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", m.ready)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error("metrics", "error", err.Error())
		}
	}()
	log.Info("metrics", "listen", listener.Addr().String())
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		_ = server.Shutdown(ctx)
	}, nil
}

func (m *metrics) ready(w http.ResponseWriter, _ *http.Request) {
	age := m.now().Sub(time.Unix(m.success.Load(), 0))
	if age > time.Hour {
		http.Error(w, "no round has ended well within the last hour", http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintf(w, "last good round %s ago\n", age.Round(time.Second))
}
