package waldur

import (
	"errors"
	"fmt"

	"github.com/waldur/cscs-storage-sync/planner"
	"github.com/waldur/cscs-storage-sync/providers/web"
)

// maxOrderBytes is the largest size of an answer about an order; real ones have about 10 KiB.
const maxOrderBytes = 1 << 20

// maxOrderWord is the longest name of an order's type or state; real ones have at most 18 bytes.
const maxOrderWord = 40

// parseOrder parses Waldur's answer about an order. If a member that decides what is done cannot be
// read, that is an error: an order is either used completely or not at all.
func parseOrder(text []byte) (planner.Order, error) { return newParser().order(text) }

func (p *parser) order(text []byte) (planner.Order, error) {
	if len(text) > maxOrderBytes {
		return planner.Order{}, fmt.Errorf("order is longer than %d KiB", maxOrderBytes>>10)
	}
	p.start(text)
	if p.in.peek() != '{' {
		if p.in.err == nil {
			p.in.unexpected("the JSON object of an order")
		}
		return planner.Order{}, p.in.err
	}
	p.collect(inOrder)
	if err := p.in.finish(); err != nil {
		return planner.Order{}, err
	}
	o := planner.Order{ID: p.uuid(orderUUID), Type: planner.OrderType(p.orderWord(orderType)),
		State:    planner.OrderState(p.orderWord(orderState)),
		Resource: p.orderResource()}
	o.HasLimits = p.hasMembers(orderLimits) || p.hasMembers(orderOldLimits)
	o.Options = p.options()
	if p.got[orderError].kind == kindString {
		o.Error = web.Printable(string(p.str(orderError)))
	}
	if p.problem != "" {
		return planner.Order{}, errors.New(p.problem)
	}
	return o, nil
}

// orderWord parses an order's type or state. An unknown word is not an error of the answer: the
// planner blocks the order and names it.
func (p *parser) orderWord(at field) string {
	word := string(p.str(at))
	if word == "" || len(word) > maxOrderWord || web.Printable(word) != word {
		p.bad(at, "unreadable value %.40q", word)
		return ""
	}
	return word
}

// orderResource parses which resource the order is about. It returns "" if the answer does not say.
func (p *parser) orderResource() string {
	if p.got[orderResource].kind == kindMissing {
		return ""
	}
	return p.uuid(orderResource)
}

// hasMembers reports whether an object exists and is not empty. Waldur writes {} if there is
// nothing.
func (p *parser) hasMembers(at field) bool {
	switch v := p.got[at]; v.kind {
	case kindMissing, kindNull:
		return false
	case kindObject:
		inner := scanner{text: v.raw}
		f := inner.open()
		return inner.element(&f, '}')
	default:
		p.bad(at, "want an object, got %v", v.kind)
	}
	return false
}

// options parses new_options. An option that is null would remove an override. A limit that is
// merely not given cannot express that, so such an order is refused.
func (p *parser) options() *planner.Options {
	v := p.got[orderNewOptions]
	if v.kind != kindObject || v.count == 0 {
		return nil
	}
	return &planner.Options{
		Quotas: planner.ProxyQuotas{
			planner.SpaceHard:  p.option(optionHardSpace),
			planner.InodesSoft: p.option(optionSoftInodes),
			planner.InodesHard: p.option(optionHardInodes),
		},
		Permission: p.optionPermission(),
	}
}

// option parses a number, or a string with a number: Waldur stores whatever it was sent.
func (p *parser) option(at field) planner.Decimal {
	v := p.got[at]
	raw := v.raw
	switch v.kind {
	case kindMissing:
		return planner.Decimal{}
	case kindNumber:
	case kindString:
		raw = p.str(at)
	default:
		p.bad(at, "want a number, got %v", v.kind)
		return planner.Decimal{}
	}
	d, err := p.decimal(raw)
	if err != nil {
		p.bad(at, "%v", err)
	}
	return d
}

// optionPermission parses octal digits, from a string or from the digits of a number.
func (p *parser) optionPermission() string {
	v := p.got[optionPermissions]
	var s string
	switch v.kind {
	case kindMissing:
		return ""
	case kindNumber:
		s = string(v.raw)
	default:
		s = string(p.str(optionPermissions))
	}
	if !isOctal(s) {
		p.bad(optionPermissions, "%.40q is not three or four octal digits", s)
	}
	return s
}
