using System.Text.RegularExpressions;

namespace SgLang.Runtime.Tests;

public class OperatorTraceTests
{
    [Fact]
    public void Every_operator_is_traced_under_its_own_name()
    {
        Operator[] operators = Enum.GetValues<Operator>();
        Assert.Equal(operators.Length, OperatorTrace.Names.Length);
        foreach (Operator op in operators)
        {
            string snake = Regex.Replace(op.ToString(), "(?<!^)([A-Z])", "_$1").ToLowerInvariant();
            string expected = op switch { Operator.Copy => "memory_copy", Operator.Fill => "memory_set", _ => snake };
            Assert.Equal("sgl::" + expected, OperatorTrace.Names[(int)op]);
        }
    }
}
