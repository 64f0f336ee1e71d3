using System.Linq.Expressions;
using Microsoft.EntityFrameworkCore.Query;

namespace Wake.Store;

/// <summary>
/// Lets one expression be part of another, for which C# has no word. By a subquery, the only other way, a session's
/// newest turn is found by numbering all turns.
/// </summary>
static class QueryParts
{
    /// <summary>In a query: what an expression makes of a row.</summary>
    public static TResult Apply<T, TResult>(Expression<Func<StoreContext, T, TResult>> part, StoreContext db, T row) =>
        throw new NotSupportedException($"Not expanded: {part} of {row} of {db}");

    /// <summary>The same of a row and one that belongs to it.</summary>
    public static TResult Apply<T, TOther, TResult>(
        Expression<Func<StoreContext, T, TOther, TResult>> part,
        StoreContext db,
        T row,
        TOther other
    ) => throw new NotSupportedException($"Not expanded: {part} of {row} and {other} of {db}");

    /// <summary>The expression with all of its parts in place.</summary>
    public static Expression<TDelegate> Expand<TDelegate>(Expression<TDelegate> whole) =>
        (Expression<TDelegate>)new Expander().Visit(whole);

    sealed class Expander : ExpressionVisitor
    {
        protected override Expression VisitMethodCall(MethodCallExpression node)
        {
            if (node.Method.DeclaringType != typeof(QueryParts))
                return base.VisitMethodCall(node);

            var part = Expression
                .Lambda<Func<LambdaExpression>>(node.Arguments[0])
                .Compile(preferInterpretation: true)();
            return Visit(new ReplacingExpressionVisitor(part.Parameters, [.. node.Arguments.Skip(1)]).Visit(part.Body));
        }
    }
}
