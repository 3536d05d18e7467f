package main

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/waldur/cscs-storage-sync/cmd/internal/prompt"
	"github.com/waldur/cscs-storage-sync/cmd/internal/signing"
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
	f.StringVar(&o.name, "as", "", "approve as `NAME`; default: the login or, for an SSH key, "+
		"the one principal that allowed_signers gives it")
	f.StringVar(&o.ticket, "ticket", "", "the change's ticket `ID`")
	f.StringVar(&o.comment, "comment", "", "a `TEXT` for people who read the approval later")
	f.BoolVar(&o.detach, "detach", false, "print the approval instead of adding it to the file")
	f.BoolVar(&o.print, "print-message", false, "print the message to be signed, and nothing else")
	f.StringVar(&o.signature, "signature", "", "use the signature that ssh-keygen -Y sign "+
		"wrote to `FILE`; the message is beside it, without .sig")
}

func (o *approveOptions) run(a *app, path string) error {
	at := a.planFile(path)
	file, err := at.Read()
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
		if err := a.willCount(file.Plan, block); err != nil {
			return err
		}
	}
	if o.detach {
		return a.term.Print(string(block))
	}
	err = at.Update(func(existing []byte) ([]byte, error) {
		return engine.AddApproval(existing, file.Plan, block)
	})
	if err != nil {
		return fmt.Errorf("approve plan %s: %w", path, err)
	}
	a.term.Tell("Approved plan %s as %s. To apply it: cscs-sync apply %s",
		canonical.ShortID(file.ID()),
		render.Escape(made.Message.Name), render.ShellWord(path))
	return nil
}

// willCount refuses an approval that `apply` on this node would not count. On another machine there
// is no configuration to check it against.
func (a *app) willCount(p *planner.Plan, block []byte) error {
	if _, err := a.configuration(); err != nil {
		return nil
	}
	s, err := a.open(config.Skip)
	if err != nil {
		a.term.Tell("Warning: whether this approval counts could not be checked, because the " +
			"configuration could not be read.")
		return nil
	}
	var rules approval.Rules
	if s.Config.Approval.AllowedSigners != "" {
		if rules, err = s.Rules(); err != nil {
			return err
		}
	}
	return engine.WillCount(p, block, rules, a.now())
}

// make makes the approval as the flags say. It renders the plan again, so people approve exactly
// what it shows.
func (o *approveOptions) make(a *app, file *planfile.File) (approval.Approval, error) {
	if o.signature != "" {
		return o.fromSignature(file)
	}
	out := a.term.Out
	if o.detach {
		out = a.term.Err // stdout is the approval
	}
	if _, err := out.Write(file.Show(a.term.Rendering(out))); err != nil {
		return approval.Approval{}, err
	}
	if o.key == "" {
		return o.local(a, file)
	}
	return o.sign(a, file)
}

// confirmMessage shows the message to be signed. On a terminal it asks; without one, the command
// itself is the answer.
func (a *app) confirmMessage(file *planfile.File, m approval.Message, how string) error {
	text, err := engine.Declaration(file.Plan, m, how)
	if err != nil {
		return err
	}
	a.term.Tell("\n%s", text)
	if !a.term.Is(a.term.In) {
		return nil
	}
	return a.confirm("Do you approve this plan?")
}

// confirm asks on the terminal. Any answer but yes is a refusal.
func (a *app) confirm(question string) error {
	yes, err := prompt.Confirm(a.term.In, a.term.Err, question, a.stop.Asked())
	switch {
	case err != nil:
		return &outcome{exitInterrupted, errors.New("interrupted; nothing was done")}
	case !yes:
		return engine.Refuse(engine.NotApproved, errors.New("not approved; nothing was done"))
	}
	return nil
}

// message returns the message to be signed.
func (o *approveOptions) message(a *app, file *planfile.File, name string) approval.Message {
	m := engine.MessageAbout(file.Plan, name, a.now())
	m.Ticket, m.Comment = o.ticket, o.comment
	return m
}

func (o *approveOptions) printMessage(a *app, file *planfile.File) error {
	name := o.name
	if name == "" && o.key == "" {
		return &usageError{"approve", errors.New("--print-message needs --as NAME, a principal " +
			"that allowed_signers gives the key, or --key FILE to find it")}
	}
	if name == "" {
		key, err := a.keys().Public(o.key)
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
	return a.term.Print(string(text))
}

// fromSignature reads the signature that ssh-keygen made of the printed message.
func (o *approveOptions) fromSignature(file *planfile.File) (none approval.Approval, err error) {
	path, ok := strings.CutSuffix(o.signature, ".sig")
	if !ok {
		return none, &usageError{"approve", fmt.Errorf("--signature %s: want the file that "+
			"ssh-keygen -Y sign made, MESSAGE.sig, with MESSAGE beside it", o.signature)}
	}
	message, err := state.ReadFile(path, signing.MaxSize)
	if err != nil {
		return none, fmt.Errorf("read the signed message: %w", err)
	}
	signature, err := state.ReadFile(o.signature, signing.MaxSize)
	if err != nil {
		return none, fmt.Errorf("read the signature: %w", err)
	}
	made, err := engine.SignedElsewhere(file.Plan, message, signature)
	if err != nil {
		return none, fmt.Errorf("message %s: %w", path, err)
	}
	return made, nil
}

// local makes a local approval.
func (o *approveOptions) local(a *app, file *planfile.File) (none approval.Approval, err error) {
	s, err := a.open(config.CheckOnly)
	if err != nil {
		return none, err
	}
	if s.Config.Approval.AllowedSigners != "" {
		return none, engine.Refuse(engine.Configuration, errors.New("this site wants approvals "+
			"signed with SSH keys (approval.allowed_signers): approve with --key FILE"))
	}
	m := o.message(a, file, cmp.Or(o.name, a.user))
	how := "with the key of this node, as " + render.Escape(a.user)
	if err := a.confirmMessage(file, m, how); err != nil {
		return none, err
	}
	return s.Engine().LocalApproval(m)
}
