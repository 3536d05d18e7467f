package main

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/planner/approval"
	"github.com/waldur/cscs-storage-sync/planner/canonical"
	"github.com/waldur/cscs-storage-sync/planner/config"
	"github.com/waldur/cscs-storage-sync/planner/engine"
	"github.com/waldur/cscs-storage-sync/planner/planfile"
	"github.com/waldur/cscs-storage-sync/planner/render"
	"github.com/waldur/cscs-storage-sync/state"
)

// approveOptions are the flags of approve.
type approveOptions struct {
	key, name, ticket, comment, signature string
	detach, print                         bool
}

func (a *app) approveCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "approve PLAN",
		Short: "show a plan, and add an approval to its file",
		Args:  arguments(1, 1),
		Long: `Shows the plan, rendered again, and adds an approval. With --key (a private key,
or a public key whose private half the SSH agent has) the approval is signed
with SSH and can be given anywhere. Without it the approval is local: it must be
given on the node, by a user who may read the state.

To sign with the stock ssh-keygen instead:
  cscs-sync approve --as NAME --print-message PLAN > message
  ssh-keygen -Y sign -n cscs-sync-plan -f KEY message
  cscs-sync approve --signature message.sig PLAN      (with message beside it)

Exit codes: 0 done; 1 error; 3 the file fails its checks, or the answer is not
yes.`,
	}
	var o approveOptions
	o.flags(cmd.Flags())
	cmd.RunE = func(_ *cobra.Command, args []string) error { return o.run(a, args[0]) }
	return cmd
}

func (o *approveOptions) flags(f *pflag.FlagSet) {
	f.StringVar(&o.key, "key", "", "sign with the SSH key in `FILE`; a .pub file asks the agent")
	f.StringVar(&o.name, "as", "", "approve as `NAME`; default: the login or, for an SSH key, the one "+
		"principal that allowed_signers gives it")
	f.StringVar(&o.ticket, "ticket", "", "the change's ticket `ID`")
	f.StringVar(&o.comment, "comment", "", "what there is to say (`TEXT`)")
	f.BoolVar(&o.detach, "detach", false, "print the approval instead of adding it to the file")
	f.BoolVar(&o.print, "print-message", false, "print the message to be signed, and nothing else")
	f.StringVar(&o.signature, "signature", "", "take a signature that ssh-keygen -Y sign made: `FILE`, named as the message with .sig")
}

func (o *approveOptions) run(a *app, path string) error {
	file, err := a.readPlan(path)
	if err != nil {
		return err
	}
	if err := file.Check(); err != nil {
		return fmt.Errorf("plan %s: %w", path, err)
	}
	if o.print {
		return o.printMessage(a, file)
	}
	made, err := o.make(a, file)
	if err != nil {
		return err
	}
	block, err := made.Block()
	if err != nil {
		return err
	}
	if o.key != "" || o.signature != "" {
		if err := a.willCount(file, block); err != nil {
			return err
		}
	}
	if o.detach {
		return a.print(string(block))
	}
	if err := addApproval(path, file, block); err != nil {
		return err
	}
	a.tell("Approved plan %s as %s. To apply it: cscs-sync apply %s", canonical.ShortID(canonical.ID(file.Plan.Core)),
		render.Escape(made.Message.Name), render.ShellWord(path))
	return nil
}

// willCount refuses an approval that `apply` here would not count: the person would leave, and the plan would wait. Off the node
// there is no configuration, and nothing to judge by.
func (a *app) willCount(file *planfile.File, block []byte) error {
	if _, err := a.configuration(); err != nil {
		return nil
	}
	s, err := a.open(config.Skip)
	if err != nil {
		a.tell("Warning: whether this approval counts could not be checked, because the configuration could not be read.")
		return nil
	}
	if s.cfg.Approval.AllowedSigners == "" {
		return engine.Refuse(engine.Configuration, errors.New("this site takes local approvals only, because the configuration has no approval.allowed_signers: nobody "+
			"could tell whose key it is. Approve on the node without --key, or add approval.allowed_signers; nothing was done"))
	}
	rules, err := s.rules()
	if err != nil {
		return err
	}
	rules.Required = 1
	verdict, err := approval.Judge(approval.Input{Plan: canonical.ID(file.Plan.Core), Context: canonical.ContextDigest(file.Plan),
		Blocks: [][]byte{block}, Rules: rules, Now: a.now()})
	if err != nil {
		return err
	}
	if why := verdict.Approvals[0].Why; why != "" {
		return engine.Refuse(engine.NotApproved, fmt.Errorf("this approval would not count: %s; nothing was done", why))
	}
	return nil
}

// addApproval adds an approval to the file as it is now. While somebody read and answered, others may have approved too: theirs
// stay. Another plan in its place was not shown, and is not approved.
func addApproval(path string, shown *planfile.File, block []byte) error {
	err := state.UpdateFile(path, fs.FileMode(0o600), func(existing []byte) ([]byte, error) {
		file, err := planfile.Parse(existing)
		if err == nil {
			err = file.Check()
		}
		if err != nil {
			return nil, err
		}
		if canonical.ContextDigest(file.Plan) != canonical.ContextDigest(shown.Plan) {
			return nil, engine.Refuse(engine.Tampered, fmt.Errorf("it is not the plan that was shown any more: it is plan %s now, made %s; nothing was approved; "+
				"approve it again", canonical.ShortID(canonical.ID(file.Plan.Core)), planner.Minute(file.Plan.Context.Made)))
		}
		if n := len(file.Approvals); n >= approval.MaxBlocks {
			return nil, engine.Refuse(engine.Input, fmt.Errorf("it has %d approvals, and no more are looked at; nothing was added; plan again", n))
		}
		if err := file.AddApproval(block); err != nil {
			return nil, err
		}
		return file.Bytes(), nil
	})
	if err != nil {
		return fmt.Errorf("approve plan %s: %w", path, err)
	}
	return nil
}

// make gives the approval in the way that the flags ask for.
func (o *approveOptions) make(a *app, file *planfile.File) (approval.Approval, error) {
	if o.signature != "" {
		return o.fromSignature(file)
	}
	if err := o.show(a, file); err != nil {
		return approval.Approval{}, err
	}
	if o.key == "" {
		return o.local(a, file)
	}
	return o.sign(a, file)
}

// show renders the plan anew: what is approved is what this shows, whatever the file was opened with before.
func (o *approveOptions) show(a *app, file *planfile.File) error {
	out := a.stdout
	if o.detach {
		out = a.stderr // stdout is the approval
	}
	_, err := out.Write(render.Text(file.Plan, render.Options{Color: a.colored(out), Palette: a.palette, Width: a.width}))
	return err
}

// confirmMessage shows what is about to be signed and, on a terminal, asks. Without a terminal the command itself is the
// answer.
func (a *app) confirmMessage(file *planfile.File, m approval.Message, by string) error {
	text, err := m.Text()
	if err != nil {
		return err
	}
	dangerous := 0
	for i := range file.Plan.Core.Actions {
		dangerous += min(len(file.Plan.Core.Actions[i].Danger), 1)
	}
	a.tell("\nYou approve exactly the %s above, %d of them dangerous, and nothing else.\nThis is signed, %s:\n\n%s",
		planner.Count(len(file.Plan.Core.Actions), "action"), dangerous, by, strings.TrimSuffix(string(text), "\n"))
	if !a.terminal(a.stdin) {
		return nil
	}
	return a.confirm("Do you approve this plan?")
}

// confirm asks on the terminal; anything but yes is a refusal.
func (a *app) confirm(question string) error {
	fmt.Fprintf(a.stderr, "\n%s\n  Only 'yes' will be accepted to approve.\n\n  Enter a value: ", question)
	answers := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(a.stdin).ReadString('\n')
		answers <- strings.TrimSpace(line)
	}()
	select {
	case answer := <-answers:
		if answer == "yes" {
			return nil
		}
		return engine.Refuse(engine.NotApproved, errors.New("not approved; nothing was done"))
	case <-a.stop:
		return &outcome{exitInterrupted, errors.New("interrupted; nothing was done")}
	}
}

// message is what is signed. Control characters and the like are refused here already.
func (o *approveOptions) message(a *app, file *planfile.File, name string) approval.Message {
	return approval.Message{Plan: canonical.ID(file.Plan.Core), Context: canonical.ContextDigest(file.Plan), Name: name,
		Time: a.now().UTC().Truncate(time.Second), Ticket: o.ticket, Comment: o.comment}
}

func (o *approveOptions) printMessage(a *app, file *planfile.File) error {
	name := o.name
	if name == "" && o.key == "" {
		return &usageError{"approve", errors.New("--print-message needs --as NAME, a principal that allowed_signers " +
			"gives the key, or --key FILE to find it")}
	}
	if name == "" {
		key, err := a.publicKey(o.key)
		if err != nil {
			return err
		}
		if name, err = o.principal(a, key); err != nil {
			return err
		}
	}
	text, err := o.message(a, file, name).Text()
	if err != nil {
		return err
	}
	return a.print(string(text))
}

// fromSignature takes what ssh-keygen made of the printed message.
func (o *approveOptions) fromSignature(file *planfile.File) (approval.Approval, error) {
	message, ok := strings.CutSuffix(o.signature, ".sig")
	if !ok {
		return approval.Approval{}, &usageError{"approve", fmt.Errorf("--signature %s: want the file that ssh-keygen -Y sign made, "+
			"MESSAGE.sig, with MESSAGE beside it", o.signature)}
	}
	text, err := state.ReadFile(message, 1<<20)
	if err != nil {
		return approval.Approval{}, fmt.Errorf("read the signed message: %w", err)
	}
	armored, err := state.ReadFile(o.signature, 1<<20)
	if err != nil {
		return approval.Approval{}, fmt.Errorf("read the signature: %w", err)
	}
	made, err := approval.FromSSHSIG(text, armored)
	if err == nil && made.Message.Plan != canonical.ID(file.Plan.Core) {
		err = engine.Refuse(engine.Input, fmt.Errorf("the signed message %s is about plan %s, not about this one, %s", message, canonical.ShortID(made.Message.Plan),
			canonical.ShortID(canonical.ID(file.Plan.Core))))
	}
	return made, err
}

// local approves on the node.
func (o *approveOptions) local(a *app, file *planfile.File) (approval.Approval, error) {
	s, err := a.open(config.CheckOnly)
	if err != nil {
		return approval.Approval{}, err
	}
	if s.cfg.Approval.AllowedSigners != "" {
		return approval.Approval{}, engine.Refuse(engine.Configuration, errors.New("this site wants approvals signed with SSH keys "+
			"(approval.allowed_signers): approve with --key FILE"))
	}
	m := o.message(a, file, orElse(o.name, a.user))
	if err := a.confirmMessage(file, m, "with the key of this node, as "+render.Escape(a.user)); err != nil {
		return approval.Approval{}, err
	}
	return s.engine().LocalApproval(m)
}

// localKey is the node's own key, which is made where there is none.
func (s *session) localKey() (approval.LocalKey, error) {
	raw, err := s.store.ApprovalKey()
	if err != nil {
		return approval.LocalKey{}, err
	}
	return approval.NewLocalKey(raw)
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
