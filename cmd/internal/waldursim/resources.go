package waldursim

import (
	"fmt"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// BackendIDRule is what an offering requires of backend ids.
type BackendIDRule struct {
	Regex   string `json:"regex"` // matched in full
	Message string `json:"message"`
}

// OptionField is the type of one option of an offering.
type OptionField struct {
	Type    string   `json:"type"` // integer, select_string or string
	Choices []string `json:"choices,omitempty"`
}

// resourceAction returns a callback of a resource.
func resourceAction(name string) (action[*resource], bool) {
	var a action[*resource]
	switch name {
	case "set_backend_id":
		a.run = setBackendID
	case "update_options_direct":
		a.run = updateOptionsDirect
	case "update_options":
		a.allowed, a.states = func(r *resource) bool { return r.state == OK }, "OK"
		a.run = updateOptions
	case "set_state_ok":
		states := []ResourceState{Erred, Creating, Updating, Terminating}
		a.allowed = func(r *resource) bool { return slices.Contains(states, r.state) }
		a.states = "Erred, Creating, Updating, Terminating"
		a.run = setResourceOK
	default:
		return a, false
	}
	return a, true
}

// callResource answers a request below marketplace-provider-resources/.
func (m *model) callResource(r request, id, name string) reply {
	if name == "" && r.method == http.MethodGet {
		return m.getResource(r, id)
	}
	a, known := resourceAction(name)
	if rep, stop := precheck(r, known); stop {
		return rep
	}
	u, ok := parseUUID(id)
	if !ok || m.byID[u] == nil || r.account == Hidden {
		return detail(http.StatusNotFound, "No Resource matches the given query.")
	}
	return call(m, r, a, m.byID[u], "")
}

// getResource answers with a part of what Waldur returns for a resource.
func (m *model) getResource(r request, id string) reply {
	u, ok := parseUUID(id)
	if !ok || m.byID[u] == nil || r.account == Hidden {
		return detail(http.StatusNotFound, "No Resource matches the given query.")
	}
	x := m.byID[u]
	return reply{status: http.StatusOK, body: map[string]any{"uuid": string(u), "name": x.slug, "slug": x.slug, "state": x.state,
		"backend_id": x.backendID, "limits": merged(x.limits, nil), "options": merged(x.options, nil)}}
}

// setResourceOK sets the state of a resource, and leaves an open order as it is.
func setResourceOK(m *model, r *resource, _ []byte) reply {
	r.state = OK
	m.touch(r)
	return reply{status: http.StatusOK, effect: true, body: map[string]any{"status": "Resource state has been set to OK."}}
}

func setBackendID(m *model, r *resource, body []byte) reply {
	id, rep := backendID(body)
	if rep != nil {
		return *rep
	}
	if rule := r.offering.rule; rule != nil && id != "" && !rule.matches(id) {
		return fieldError("backend_id", rule.Message)
	}
	changed := id != r.backendID
	r.backendID = id
	if changed {
		m.touch(r)
	}
	return changeReply("Resource", changed)
}

func (rule *BackendIDRule) matches(id string) bool {
	re, err := regexp.Compile(`^(?:` + rule.Regex + `)$`)
	return err == nil && re.MatchString(id)
}

// backendID parses the body of both set_backend_id callbacks. Without the field, Waldur fails.
func backendID(body []byte) (string, *reply) {
	fields, bad := parseBody(body)
	if bad != nil {
		return "", bad
	}
	if _, given := fields["backend_id"]; !given {
		rep := serverError()
		return "", &rep
	}
	var id string
	if rep := charField(fields, "backend_id", &id); rep != nil {
		return "", rep
	}
	if utf8.RuneCountInString(id) > 255 {
		rep := fieldError("backend_id", "Ensure this field has no more than 255 characters.")
		return "", &rep
	}
	return id, nil
}

func changeReply(what string, changed bool) reply {
	text := what + " backend_id is not changed."
	if changed {
		text = what + " backend_id has been changed."
	}
	return reply{status: http.StatusOK, effect: changed, body: map[string]any{"status": text}}
}

func updateOptionsDirect(m *model, r *resource, body []byte) reply {
	options, rep := readOptions(r.offering, body)
	if rep != nil {
		return *rep
	}
	fresh := merged(r.options, options)
	changed := !reflect.DeepEqual(fresh, merged(r.options, nil))
	r.options = fresh
	if changed {
		m.touch(r)
	}
	return reply{status: http.StatusOK, effect: changed, body: map[string]any{"status": "Resource options have been updated directly."}}
}

// updateOptions is the customer's own call. It may create an order.
func updateOptions(m *model, r *resource, body []byte) reply {
	options, rep := readOptions(r.offering, body)
	if rep != nil {
		return *rep
	}
	if !r.offering.optionOrders {
		r.options = merged(r.options, options)
		m.touch(r)
		return reply{status: http.StatusOK, effect: true, body: map[string]any{"status": "Resource options are submitted"}}
	}
	o, err := m.addOrder(r, OrderSpec{Type: Update, State: PendingProvider, NewOptions: options})
	if err != nil {
		return detail(http.StatusConflict, err.Error())
	}
	return reply{status: http.StatusOK, effect: true, body: map[string]any{"order_uuid": string(o.id)}}
}

// readOptions checks options against the offering's. Values stay as they were sent.
func readOptions(o *offering, body []byte) (map[string]any, *reply) {
	fields, bad := parseBody(body)
	if bad != nil {
		return nil, bad
	}
	raw, given := fields["options"]
	if !given {
		return nil, nil
	}
	refuse := func(why any) (map[string]any, *reply) {
		return nil, &reply{status: http.StatusBadRequest, body: map[string]any{"options": why}}
	}
	options, ok := raw.(map[string]any)
	switch {
	case raw == nil:
		return refuse([]string{"This field may not be null."})
	case o.options == nil:
		return refuse([]string{"Metadata for resource options is not defined."})
	case !ok:
		return refuse(map[string]any{"non_field_errors": []string{"Invalid data. Expected a " +
			"dictionary, but got " + pythonType(raw) + "."}})
	}
	wrong := map[string][]string{}
	for name, value := range options {
		if field, known := o.options[name]; known {
			if why := field.refuses(value); why != "" {
				wrong[name] = []string{why}
			}
		}
	}
	if len(wrong) > 0 {
		return refuse(wrong)
	}
	return options, nil
}

// refuses returns why a value is invalid, or "".
func (f OptionField) refuses(v any) string {
	if v == nil {
		return "This field may not be null."
	}
	text := fmt.Sprint(v)
	switch f.Type {
	case "integer":
		if whole, frac, _ := strings.Cut(text, "."); !isInteger(whole) || strings.Trim(frac, "0") != "" {
			return "A valid integer is required."
		}
	case "select_string":
		if !slices.Contains(f.Choices, text) {
			return `"` + text + `" is not a valid choice.`
		}
	case "string":
		if t := pythonType(v); t != "str" && t != "int" && t != "float" {
			return "Not a valid string."
		}
	}
	return ""
}

func isInteger(s string) bool {
	s = strings.TrimLeft(strings.TrimSpace(s), "+-")
	return s != "" && strings.Trim(s, "0123456789") == ""
}
