// Package doctor finds what would make a plan or an apply fail before it does: missing rights, and
// problems with the storage, quotas, the proxy, Waldur, clocks and the state. It changes nothing.
package doctor

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/apply"
	"github.com/waldur/cscs-storage-sync/planner/approval"
	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/planner/engine"
	"github.com/waldur/cscs-storage-sync/planner/ledger"
	"github.com/waldur/cscs-storage-sync/planner/loop"
	"github.com/waldur/cscs-storage-sync/providers"
	"github.com/waldur/cscs-storage-sync/providers/quota"
	"github.com/waldur/cscs-storage-sync/providers/waldur"
	"github.com/waldur/cscs-storage-sync/state/kv"
)

// Verdict is the outcome of a check.
type Verdict string

// A warning is something that a person should know. A failure is something that will go wrong.
const (
	Pass Verdict = "PASS"
	Warn Verdict = "WARN"
	Fail Verdict = "FAIL"
)

// Finding is the result of one check. Text says what the check found and what to do about it.
type Finding struct {
	Check   string  `json:"check"`
	Verdict Verdict `json:"verdict"`
	Text    string  `json:"text"`
}

// Input is what the doctor examines. Only Database and Markers may be nil.
type Input struct {
	// Config is the configuration. ConfigPath is where it was read from.
	Config     *config.Config
	ConfigPath string
	State      State
	// Files is the folder beside the state, with held plans and what the loop remembers.
	Files loop.Files
	Site  Site
	// Transport carries the requests that compare clocks.
	Transport http.RoundTripper
	// Signers reads the file of allowed signers.
	Signers func(path string) (*approval.Signers, error)
	// Markers returns a reader of the systems' markers, for the state with the given id.
	Markers func(id string) (Markers, error)
	// Database queries the server of a state that nodes share. It is nil for a state in a file.
	Database func(context.Context) (Database, error)
	// Node is this node's name among the nodes that share the state.
	Node string
	// UID is the user that apply runs as.
	UID int
	Now func() time.Time
	// Patience is how long the proxy and quota systems may take to answer; 0 means the default.
	Patience time.Duration
}

// State is the state that the configuration names.
type State interface {
	ledger.Store
	// Dir is the folder of the state.
	Dir() string
	// KnownID returns the state's id.
	KnownID() (string, error)
	Recorded() (planner.Recorded, error)
	// Holding returns which node has the lease; shared is false for a state in a file.
	Holding() (h kv.Holding, shared bool, err error)
	// Members returns the nodes whose loops share the state.
	Members(context.Context) ([]kv.Member, error)
}

// Site gives access to what the configuration names.
type Site interface {
	Observer(ctx context.Context, parallelism int) (*providers.StorageObserver, func(), error)
	Quotas() (*quota.Systems, error)
	Source(files []string) (engine.Source, error)
	ProxyTokens(*config.Proxy) waldur.TokenFunc
	Orders() apply.Orders
}

// Markers checks which state manages a system.
type Markers interface {
	// Check returns a [*posix.OtherStateError] if another state manages the system.
	Check(ctx context.Context, system string) error
}

// Database is what the server of a shared state reports about itself.
type Database struct {
	Name, Version string
	// Problem says why a confirmed commit could be lost; empty if there is no known reason.
	Problem string
	// Standby reports whether another server replicates this one, as far as this user can see.
	Standby bool
	// Encrypted reports whether nobody else can read the connection: it uses TLS or stays on the node.
	Encrypted bool
}

// patience is the default of [Input.Patience]. A small listing takes hundredths of a second.
const patience = 30 * time.Second

// answerTimeout is how long a program or an HTTP server may take to answer a trivial question.
const answerTimeout = 10 * time.Second

// Examine runs all checks and returns their findings in the order in which people should fix them.
func Examine(ctx context.Context, in Input) []Finding {
	if in.Patience == 0 {
		in.Patience = patience
	}
	e := &examination{in: in}
	settings := &in.Config.Settings
	e.pass("configuration", "%s: %s, %s", in.ConfigPath,
		planner.Count(len(settings.Systems), "system"),
		planner.Count(len(in.Config.Overrides), "override"))
	e.trust()
	e.rights("/proc/self/status")
	e.kernel()
	e.systems(ctx)
	e.enforced()
	e.lfs(ctx)
	e.quotaClients(ctx)
	e.proxy(ctx)
	e.waldur(ctx)
	e.approvals()
	e.notify()
	e.state()
	e.shared(ctx)
	e.markers(ctx)
	e.leftOver()
	return e.findings
}

// examination collects findings.
type examination struct {
	in       Input
	findings []Finding
}

func (e *examination) say(v Verdict, check, format string, args ...any) {
	e.findings = append(e.findings, Finding{check, v, fmt.Sprintf(format, args...)})
}

func (e *examination) pass(check, format string, args ...any) {
	e.say(Pass, check, format, args...)
}
func (e *examination) warn(check, format string, args ...any) {
	e.say(Warn, check, format, args...)
}
func (e *examination) fail(check, format string, args ...any) {
	e.say(Fail, check, format, args...)
}

// passOrFail reports a failure if err is not nil, and otherwise passes with the text.
func (e *examination) passOrFail(check string, err error, format string, args ...any) {
	if err != nil {
		e.fail(check, "%v", err)
		return
	}
	e.pass(check, format, args...)
}
