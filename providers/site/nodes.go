package site

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/waldur/cscs-storage-sync/planner/render"
)

// fenceTimeout is how long the fence command may take. It powers a node off and waits until it is
// off.
const fenceTimeout = 2 * time.Minute

// BootID returns the kernel's id of this boot. It is different after each boot.
func BootID() (string, error) {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("read this node's boot id: %w", err)
	}
	return strings.TrimSpace(string(id)), nil
}

// FenceBy returns a function that makes sure that a node is down: it runs a program with the node's
// name as the last argument, and fails if the program fails. It returns nil if there is no program.
func FenceBy(program []string) func(ctx context.Context, node string) error {
	if len(program) == 0 {
		return nil
	}
	return func(ctx context.Context, node string) error {
		ctx, cancel := context.WithTimeout(ctx, fenceTimeout)
		defer cancel()
		args := append(program[1:len(program):len(program)], node)
		cmd := exec.CommandContext(ctx, program[0], args...)
		cmd.WaitDelay = time.Second
		out, err := cmd.CombinedOutput()
		if err != nil {
			said := strings.TrimSpace(string(out[:min(len(out), 500)]))
			return fmt.Errorf("%s %s: %w: %s", program[0], node, err, render.Escape(said))
		}
		return nil
	}
}
