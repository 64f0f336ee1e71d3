using Wake.Contracts;
using Contract = Wake.Contracts.Http;

namespace Wake.Gateway;

/// <summary>Keys of the API, between the records of the gateway and those of the HTTP contract.</summary>
static class KeyMapping
{
    public static Contract.ApiKey ToContract(this ApiKey key) =>
        new(key.Id, key.Name, key.Scopes, key.Created, key.LastUsedAt, key.ExpiresAt)
        {
            Sources = key.Sources,
            Types = key.Types,
            Subjects = key.Subjects,
            Namespace = key.Namespace,
        };

    public static Contract.NewApiKey ToContract(this NewApiKey key) => new(key.Id, key.Name, key.Scopes, key.Key);

    public static PublishPermissions ToPublishPermissions(this Contract.NewKey key) =>
        new()
        {
            Sources = key.Sources ?? [],
            Types = key.Types ?? [],
            Subjects = key.Subjects ?? [],
        };
}
