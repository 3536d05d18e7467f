package expr

import (
	"errors"
	"strings"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// maxReplaced limits the result of replace: the length of the text times that of the replacement.
const maxReplaced = 16 << 20

var replaceFunc = text([]string{"string", "substring", "replacement"}, cty.String,
	func(a []string) (cty.Value, error) {
		if len(a[0])*max(len(a[2]), 1) > maxReplaced {
			return cty.NilVal, errTooLarge
		}
		args := []cty.Value{cty.StringVal(a[0]), cty.StringVal(a[1]), cty.StringVal(a[2])}
		if n := len(a[1]); n > 1 && a[1][0] == '/' && a[1][n-1] == '/' {
			return stdlib.RegexReplace(args[0], cty.StringVal(a[1][1:n-1]), args[2])
		}
		return stdlib.Replace(args[0], args[1], args[2])
	})

var startsWithFunc = text([]string{"string", "prefix"}, cty.Bool,
	func(a []string) (cty.Value, error) {
		return cty.BoolVal(strings.HasPrefix(a[0], a[1])), nil
	})

var endsWithFunc = text([]string{"string", "suffix"}, cty.Bool,
	func(a []string) (cty.Value, error) {
		return cty.BoolVal(strings.HasSuffix(a[0], a[1])), nil
	})

// text returns a function whose parameters are texts.
func text(params []string, result cty.Type, f func([]string) (cty.Value, error)) function.Function {
	spec := &function.Spec{Type: function.StaticReturnType(result),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			texts := make([]string, len(args))
			for i, arg := range args {
				texts[i] = arg.AsString()
			}
			return f(texts)
		}}
	for _, name := range params {
		spec.Params = append(spec.Params, function.Parameter{Name: name, Type: cty.String})
	}
	return function.New(spec)
}

var lengthFunc = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "value", Type: cty.DynamicPseudoType}},
	Type:   function.StaticReturnType(cty.Number),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		switch t := args[0].Type(); {
		case t == cty.String:
			return stdlib.Strlen(args[0])
		case t.IsTupleType() || t.IsObjectType() || t.IsCollectionType():
			return cty.NumberIntVal(int64(args[0].LengthInt())), nil
		}
		return cty.NilVal, errors.New("want text, a list or a map")
	},
})

var sumFunc = overList(cty.Number, cty.Number, func(list []cty.Value) (cty.Value, error) {
	total := cty.Zero
	for _, e := range list {
		total = total.Add(e)
	}
	return total, nil
})

var allTrueFunc = overList(cty.Bool, cty.Bool, func(list []cty.Value) (cty.Value, error) {
	for _, e := range list {
		if e.False() {
			return cty.False, nil
		}
	}
	return cty.True, nil
})

var anyTrueFunc = overList(cty.Bool, cty.Bool, func(list []cty.Value) (cty.Value, error) {
	for _, e := range list {
		if e.True() {
			return cty.True, nil
		}
	}
	return cty.False, nil
})

// overList returns a function of the elements of one list.
func overList(element, result cty.Type, f func([]cty.Value) (cty.Value, error)) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "list", Type: cty.DynamicPseudoType}},
		Type:   function.StaticReturnType(result),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if !args[0].IsWhollyKnown() {
				return cty.UnknownVal(result), nil
			}
			list, err := elements(args[0], element)
			if err != nil {
				return cty.NilVal, err
			}
			return f(list)
		},
	})
}

var oneFunc = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "list", Type: cty.DynamicPseudoType}},
	Type: func(args []cty.Value) (cty.Type, error) {
		list, err := elements(args[0], cty.DynamicPseudoType)
		switch {
		case !args[0].IsKnown():
			return cty.DynamicPseudoType, nil
		case err != nil:
			return cty.NilType, err
		case len(list) > 1:
			return cty.NilType, errors.New("want a list of one element, or of none")
		case len(list) == 0:
			return cty.DynamicPseudoType, nil
		}
		return list[0].Type(), nil
	},
	Impl: func(args []cty.Value, t cty.Type) (cty.Value, error) {
		list, err := elements(args[0], cty.DynamicPseudoType)
		if err != nil || len(list) == 0 {
			return cty.NullVal(t), err
		}
		return list[0], nil
	},
})
