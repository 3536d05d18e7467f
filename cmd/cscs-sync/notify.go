package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"
)

// notifier tells systemd how the service fares. Without systemd it does nothing.
type notifier struct {
	// watchdog is how often systemd wants a sign of life, halved as sd_watchdog_enabled(3) advises; 0 if it wants none.
	watchdog time.Duration
}

// newNotifier reads what systemd has set. A limit that cannot be read is none.
func newNotifier() *notifier {
	limit, _ := daemon.SdWatchdogEnabled(false)
	return &notifier{watchdog: limit / 2}
}

// send sends one message. Errors are not worth ending for: systemd notices by its own watchdog.
func (n *notifier) send(message string) { _, _ = daemon.SdNotify(false, message) }

// reloading says that a reload begins, with the monotonic time that systemd wants to see; READY=1 ends it.
func (n *notifier) reloading() {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err == nil {
		n.send(fmt.Sprintf("RELOADING=1\nMONOTONIC_USEC=%d", now.Nano()/1000))
	}
}

// watchReload hears SIGHUP, which asks the loop to read its configuration again. It replaces the meaning that SIGHUP has
// for all other commands.
func watchReload() <-chan os.Signal {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	return hup
}
