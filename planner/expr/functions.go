package expr

import (
	"errors"
	"fmt"
	"maps"
	"math/big"
	"regexp"
	"sync"

	"github.com/hashicorp/hcl/v2/ext/tryfunc"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// Functions returns a copy of the functions that every expression of a configuration may call. Two
// of them, file and env, only fail: their results are secrets, which are allowed only in the few
// attributes for which package config replaces these functions.
func Functions() map[string]function.Function { return maps.Clone(functions()) }

var functions = sync.OnceValue(func() map[string]function.Function {
	fs := map[string]function.Function{
		"abs": stdlib.AbsoluteFunc, "ceil": stdlib.CeilFunc, "floor": stdlib.FloorFunc,
		"log": finite(stdlib.LogFunc),
		"max": stdlib.MaxFunc, "min": stdlib.MinFunc, "parseint": stdlib.ParseIntFunc,
		"pow":    finite(stdlib.PowFunc),
		"signum": stdlib.SignumFunc, "sum": sumFunc,

		"chomp": stdlib.ChompFunc, "endswith": endsWithFunc, "format": narrow(stdlib.FormatFunc),
		"formatlist": narrow(stdlib.FormatListFunc), "indent": stdlib.IndentFunc,
		"join":  stdlib.JoinFunc,
		"lower": stdlib.LowerFunc, "regex": stdlib.RegexFunc, "regexall": stdlib.RegexAllFunc,
		"replace": replaceFunc,
		"split":   stdlib.SplitFunc, "startswith": startsWithFunc, "strrev": stdlib.ReverseFunc,
		"substr": stdlib.SubstrFunc,
		"title":  stdlib.TitleFunc, "trim": stdlib.TrimFunc, "trimprefix": stdlib.TrimPrefixFunc,
		"trimspace": stdlib.TrimSpaceFunc, "trimsuffix": stdlib.TrimSuffixFunc,
		"upper": stdlib.UpperFunc,

		"alltrue": allTrueFunc, "anytrue": anyTrueFunc, "chunklist": stdlib.ChunklistFunc,
		"coalesce":     stdlib.CoalesceFunc,
		"coalescelist": stdlib.CoalesceListFunc, "compact": stdlib.CompactFunc,
		"concat":   stdlib.ConcatFunc,
		"contains": stdlib.ContainsFunc, "distinct": stdlib.DistinctFunc,
		"element": stdlib.ElementFunc,
		"flatten": stdlib.FlattenFunc, "keys": stdlib.KeysFunc, "length": lengthFunc,
		"lookup": stdlib.LookupFunc,
		"merge":  stdlib.MergeFunc, "one": oneFunc, "range": stdlib.RangeFunc,
		"reverse":         stdlib.ReverseListFunc,
		"setintersection": stdlib.SetIntersectionFunc, "setproduct": few(stdlib.SetProductFunc),
		"setsubtract": stdlib.SetSubtractFunc, "setunion": stdlib.SetUnionFunc,
		"slice": stdlib.SliceFunc,
		"sort":  stdlib.SortFunc, "values": stdlib.ValuesFunc, "zipmap": stdlib.ZipmapFunc,

		"jsondecode": stdlib.JSONDecodeFunc, "jsonencode": stdlib.JSONEncodeFunc,
		"tobool":   stdlib.MakeToFunc(cty.Bool),
		"tolist":   stdlib.MakeToFunc(cty.List(cty.DynamicPseudoType)),
		"tomap":    stdlib.MakeToFunc(cty.Map(cty.DynamicPseudoType)),
		"tonumber": finite(stdlib.MakeToFunc(cty.Number)),
		"toset":    stdlib.MakeToFunc(cty.Set(cty.DynamicPseudoType)),
		"tostring": stdlib.MakeToFunc(cty.String),
	}
	fs["indent"] = checked(fs["indent"],
		func(args []cty.Value) error { return atMost(args[0], 100, "spaces") })
	for i, letter := range []string{"k", "m", "g", "t", "p"} {
		fs[letter+"ib"] = scaled(1024, i+1)
		fs[letter+"b"] = scaled(1000, i+1)
	}
	for name, f := range fs {
		fs[name] = checked(f, nil)
	}
	// These two take expressions instead of values, and return one of them.
	fs["try"], fs["can"] = tryfunc.TryFunc, tryfunc.CanFunc
	fs["file"], fs["env"] = refused("file"), refused("env")
	return fs
})

// checked returns f with a check of its arguments, if there is one, and with a limited result.
func checked(f function.Function, check func(args []cty.Value) error) function.Function {
	return function.New(&function.Spec{Description: f.Description(), Params: f.Params(),
		VarParam: f.VarParam(),
		Type: func(args []cty.Value) (cty.Type, error) {
			if check != nil {
				for _, arg := range args {
					if !arg.IsWhollyKnown() {
						return f.ReturnTypeForValues(args)
					}
				}
				if err := check(args); err != nil { // some functions already compute their result here
					return cty.NilType, err
				}
			}
			return f.ReturnTypeForValues(args)
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			v, err := f.Call(args)
			if err == nil {
				err = Bounded(v, maxValue)
			}
			return v, err
		},
	})
}

// finite returns f without infinite results, because in a quota block infinite means unlimited.
func finite(f function.Function) function.Function {
	return function.New(&function.Spec{Params: f.Params(), VarParam: f.VarParam(),
		Type: f.ReturnTypeForValues,
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			v, err := f.Call(args)
			if err == nil && infinite(v) {
				err = errors.New("the result is infinite")
			}
			return v, err
		},
	})
}

// wide matches a width or a precision of more than three digits in a format.
var wide = regexp.MustCompile(`%[^a-zA-Z%]*[0-9]{4}`)

// narrow returns a format function without widths that would fill the memory.
func narrow(f function.Function) function.Function {
	return checked(f, func(args []cty.Value) error {
		if args[0].Type() == cty.String && !args[0].IsNull() &&
			wide.MatchString(args[0].AsString()) {
			return errors.New("a width or a precision has at most three digits")
		}
		return nil
	})
}

// few returns setproduct, limited to sets that a person has written.
func few(f function.Function) function.Function {
	return checked(f, func(args []cty.Value) error {
		n := 1
		for _, arg := range args {
			if arg.IsNull() || !arg.CanIterateElements() {
				return nil // setproduct itself refuses it
			}
			if n *= max(arg.LengthInt(), 1); n > 10_000 {
				return errors.New("the product has more than 10000 elements")
			}
		}
		return nil
	})
}

func atMost(v cty.Value, most int64, what string) error {
	if v.IsNull() || v.AsBigFloat().Cmp(new(big.Float).SetInt64(most)) > 0 {
		return fmt.Errorf("want at most %d %s", most, what)
	}
	return nil
}

// scaled multiplies a number by base^power.
func scaled(base int64, power int) function.Function {
	unit := new(big.Int).Exp(big.NewInt(base), big.NewInt(int64(power)), nil)
	factor := cty.NumberVal(new(big.Float).SetInt(unit))
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "number", Type: cty.Number}},
		Type:   function.StaticReturnType(cty.Number),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			return stdlib.Multiply(args[0], factor)
		},
	})
}

func refused(name string) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "name", Type: cty.String}},
		Type: func([]cty.Value) (cty.Type, error) {
			return cty.DynamicPseudoType,
				errors.New(name +
					"() is allowed only in token, client_secret and URLs, so that no secret can get " +
					"into a plan or a log")
		},
		Impl: func([]cty.Value, cty.Type) (cty.Value,
			error) {
			return cty.NilVal, errors.New("never called")
		},
	})
}

// elements returns the elements of a list, a set or a tuple, converted to want.
func elements(v cty.Value, want cty.Type) ([]cty.Value, error) {
	if t := v.Type(); !t.IsListType() && !t.IsSetType() && !t.IsTupleType() {
		return nil, fmt.Errorf("want a list, not %s", t.FriendlyName())
	}
	var list []cty.Value
	for it := v.ElementIterator(); it.Next(); {
		_, e := it.Element()
		e, err := convert.Convert(e, want)
		if err != nil {
			return nil, err
		}
		if e.IsNull() {
			return nil, errors.New("null is not a value")
		}
		list = append(list, e)
	}
	return list, nil
}
