// Package systemd speaks to the service manager.
package systemd

import (
	"fmt"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"
)

// WatchdogInterval returns how often systemd wants a sign of life, halved as sd_watchdog_enabled(3)
// advises; 0 if it wants none. A limit that cannot be read is none.
func WatchdogInterval() time.Duration {
	limit, _ := daemon.SdWatchdogEnabled(false)
	return limit / 2
}

// Notify sends systemd one message. Errors are not worth ending for: systemd notices by its own
// watchdog.
func Notify(message string) { _, _ = daemon.SdNotify(false, message) }

// Reloading says that a reload begins, with the monotonic time that systemd wants to see; READY=1
// ends it.
func Reloading() {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err == nil {
		Notify(fmt.Sprintf("RELOADING=1\nMONOTONIC_USEC=%d", now.Nano()/1000))
	}
}
