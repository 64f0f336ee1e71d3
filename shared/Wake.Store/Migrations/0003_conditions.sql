-- Conditions see characters that json writes as two escapes, an emoji say, and not only their halves.
create or replace function satisfies(terms text[], type text, subject text, source text, actor text, data text) returns boolean
language plpgsql immutable as $$
declare
    readable json;
    found json;
    matches boolean;
begin
    for i in 1 .. cardinality(terms) by 3 loop
        if terms[i] like 'data.%' then
            -- Escapes that json allows and text does not would fail the whole batch, wherever in the data they stand: zero, and
            -- halves of a pair without the other.
            readable := coalesce(readable, regexp_replace(data,
                '\\u0000|\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2}',
                '\\ufffd', 'g')::json);
            found := readable #> string_to_array(substr(terms[i], 6), '.');
            matches := case json_typeof(found)
                when 'array' then exists (select from json_array_elements_text(found) entry where entry like terms[i + 2])
                else found #>> '{}' like terms[i + 2]
            end;
        else
            matches := case terms[i] when 'type' then type when 'subject' then subject when 'source' then source when 'actor' then actor end
                like terms[i + 2];
        end if;

        if coalesce(matches, false) <> (terms[i + 1] = '=') then
            return false;
        end if;
    end loop;
    return true;
end
$$;
