package waldursim

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
)

// usagePath is where providers report usage.
const usagePath = "/api/marketplace-component-usages/set_usage/"

// components are the components of every offering that count by usage or by limit.
var components = []string{"storage"}

// decimal matches a number that Waldur accepts as an amount, with at most two decimals.
var decimal = regexp.MustCompile(`^[0-9]{1,18}(\.[0-9]{1,2})?$`)

// setUsage stores the usage of a resource in this month. It replaces everything that was reported
// before.
func (m *model) setUsage(r request) reply {
	if rep, stop := precheck(r, true); stop {
		return rep
	}
	if _, bad := parseBody(r.body); bad != nil {
		return *bad
	}
	var body struct {
		Resource string `json:"resource"`
		Usages   []struct {
			Type   string      `json:"type"`
			Amount json.Number `json:"amount"`
		} `json:"usages"`
	}
	if err := json.Unmarshal(r.body, &body); err != nil || body.Usages == nil {
		return fieldError("usages", "This field is required.")
	}
	u, ok := parseUUID(body.Resource)
	if !ok || m.byID[u] == nil || r.account == Hidden {
		return fieldError("resource", "Object with uuid="+body.Resource+" does not exist.")
	}
	x := m.byID[u]
	usages := map[string]string{}
	for _, one := range body.Usages {
		if !slices.Contains(components, one.Type) {
			return fieldError("non_field_errors", "These components are invalid: "+one.Type+".")
		}
		if !decimal.MatchString(one.Amount.String()) {
			return fieldError("usages", "Ensure that there are no more than 2 decimal places.")
		}
		usages[one.Type] = one.Amount.String()
	}
	switch {
	case !slices.Contains([]ResourceState{OK, Updating, Terminating}, x.state):
		return fieldError("resource", "Resource is not in valid state.")
	case r.account == Denied:
		return detail(http.StatusForbidden, "You do not have permission to perform this action.")
	}
	x.usages = usages
	return reply{status: http.StatusCreated, effect: true}
}

// setProviderInfo stores the provider's message to the customer of a pending order.
func setProviderInfo(_ *model, o *order, body []byte) reply {
	if o.resource.offering.silent {
		return detail(http.StatusConflict, "Provider-consumer messaging is not enabled.")
	}
	fields, bad := parseBody(body)
	if bad != nil {
		return *bad
	}
	text := o.providerMessage
	if rep := charField(fields, "provider_message", &text); rep != nil {
		return *rep
	}
	o.providerMessage = text
	return reply{status: http.StatusOK, effect: true,
		body: map[string]any{"status": "Provider info has been set."}}
}
